"""What the package's metadata takes from the repository's address: project links, and the README's own ones.

The package index shows the README far from the repository, where its relative links would lead nowhere.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?://|#)([^)\s]+)\)")


class RepositoryLinks(MetadataHookInterface):
    """Sets ``readme`` and ``urls`` from ``repository`` in pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """See hatchling's interface."""
        repository = self.config["repository"]
        readme = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_absolute_links(readme, repository),
        }
        metadata["urls"] = {
            "Repository": repository,
            "Documentation": f"{repository}/blob/main/docs/index.md",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        }


def with_absolute_links(readme: str, repository: str) -> str:
    """Return a README whose relative links lead to the repository; pictures to their bytes."""

    def absolute(link: re.Match[str]) -> str:
        is_picture, text, target = link.groups()
        return f"{is_picture}[{text}]({repository}/{'raw' if is_picture else 'blob'}/main/{target})"

    return _RELATIVE.sub(absolute, readme)
