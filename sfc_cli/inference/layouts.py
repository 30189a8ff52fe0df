"""Which layout a data set's folder has, and what is to be propagated in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.jhmdb import JhmdbDataset
from sfc_cli.data.vip import VipDataset
from sfc_cli.inference.jobs import Job, prepare_jobs
from sfc_cli.inference.keypoints import KeypointJob, prepare_keypoint_jobs

# The protocol of UVC and CRW brings VIP's frames to 560×560.
VIP_INPUT_SIZE = (560, 560)


def find_jobs(
    root: Path, split: str | None, sequences: Sequence[str] | None
) -> list[Job] | list[KeypointJob]:
    """Recognise a data set's layout by its folders and check what is to be propagated.

    ``joint_positions`` marks JHMDB, ``Annotations/Category_ids`` (or ``VIP_Fine``) VIP; anything else is
    taken as DAVIS.

    Args:
        root: The data set.
        split: The split's name; None for ``val``, or ``1`` of JHMDB.
        sequences: Only these; None for all.

    Raises:
        InputError: If something is missing or does not fit.
    """
    if (root / "joint_positions").is_dir():
        jhmdb = JhmdbDataset(root=root)
        return prepare_keypoint_jobs(jhmdb, jhmdb.sequences(split or "1", sequences))
    if (root / "VIP_Fine").is_dir() or (root / "Annotations" / "Category_ids").is_dir():
        vip = VipDataset(root=root)
        return prepare_jobs(vip, vip.sequences(split or "val", sequences), VIP_INPUT_SIZE)
    davis = DavisDataset(root=root)
    return prepare_jobs(davis, davis.sequences(split or "val", sequences))
