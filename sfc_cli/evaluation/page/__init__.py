"""An evaluation as one self-contained web page: no network, and no script needed to read it."""

from sfc_cli.evaluation.page.document import write_page

__all__ = ["write_page"]
