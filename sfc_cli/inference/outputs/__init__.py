"""Everything that a propagation run writes for a sequence: its masks, and what was asked for beside them."""

from sfc_cli.inference.outputs.extras import require_possible
from sfc_cli.inference.outputs.places import RESERVED_NAMES, missing_outputs, remove_extras, remove_results
from sfc_cli.inference.outputs.sequence import SequenceOutputs, with_stored_mask

__all__ = [
    "RESERVED_NAMES",
    "SequenceOutputs",
    "missing_outputs",
    "remove_extras",
    "remove_results",
    "require_possible",
    "with_stored_mask",
]
