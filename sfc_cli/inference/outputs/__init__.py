"""Everything that a propagation run writes for a sequence: its masks, and what was asked for beside them."""

from sfc_cli.inference.outputs.extras import require_possible
from sfc_cli.inference.outputs.places import (
    RESERVED_NAMES,
    holds_any,
    missing_outputs,
    places_of,
    remove_extras,
    remove_results,
)
from sfc_cli.inference.outputs.sequence import SequenceOutputs, with_stored_mask

__all__ = [
    "RESERVED_NAMES",
    "SequenceOutputs",
    "holds_any",
    "missing_outputs",
    "places_of",
    "remove_extras",
    "remove_results",
    "require_possible",
    "with_stored_mask",
]
