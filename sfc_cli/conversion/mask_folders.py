"""Finds the masks of a folder or a zip: image files, saved soft labels, or the released script's files."""

from __future__ import annotations

import contextlib
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from sfc_cli.conversion.annotated_masks import AnnotatedMasks
from sfc_cli.conversion.mask_sources import MaskInput, MaskSource, Remarks
from sfc_cli.conversion.stored_masks import SoftMasks, StoredMasks
from sfc_cli.data.annotations.annotation_files import open_annotation_folder
from sfc_cli.data.annotations.shapes import Size
from sfc_cli.data.results import EXTRA_FOLDERS, RECORD_NAME
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.files import inside, is_inside_name
from sfc_cli.wording import counted

# The released script's names: the video's number in the split, and the frame's in the video.
_RAW_NAME = re.compile(r"(\d+)_(\d+)_mask\.png")
# What masks are looked for; the first kind that there is counts, so that frames beside masks do not.
_SUFFIXES = ("png", "npz", "PNG", "bmp", "gif", "tif", "tiff", "tga", "webp", "jpg", "jpeg", "JPG")
# Beside annotations such files are the pictures that were annotated.
_PICTURE_SUFFIXES = (".webp", ".jpg", ".jpeg", ".JPG", ".bmp", ".tif", ".tiff")


def open_folder(
    folder: Path, dataset: MaskDataset | None, split: str | None, remarks: Remarks, size: Size | None = None
) -> MaskInput:
    """Find the masks of a folder, in order.

    Args:
        folder: Has the released script's files, or masks, or a folder of masks for each sequence; or soft
            labels (``.npz``) instead of masks. Without PNGs other images are taken.
        dataset: Gives the names that the released script's numbers stand for.
        split: The split whose order numbers the videos.
        remarks: Told of videos of the split that have no mask, and later of what was decided in reading.
        size: Height and width of the pictures, for annotations that do not tell them.

    Raises:
        UsageError: If the released script's files come without a data set.
        InputError: If there are no masks, a file belongs to no video or frame, or a frame has no file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is missing or not a folder.", "Give the folder of masks to convert.")
    raw = {path: match for path in folder.iterdir() if (match := _RAW_NAME.fullmatch(path.name))}
    if raw:
        if dataset is None:
            raise UsageError(
                f"{folder} holds the released script's files, which carry numbers instead of names.",
                "Give `data` (and `split`) for the names of sequences and frames.",
            )
        numbers = {path: (int(match[1]), int(match[2])) for path, match in raw.items()}
        masks = _name_raw_masks(numbers, dataset, dataset.sequences(split), remarks)
        return StoredMasks(masks, remarks, are_raw=True)
    found = next(filter(None, (_in_sequences(folder, suffix) for suffix in _SUFFIXES)), [])
    if not found or found[0].path.suffix in _PICTURE_SUFFIXES:
        # Annotations count before the pictures that they may lie beside.
        annotations = open_annotation_folder(folder, remarks)
        if annotations is not None:
            return AnnotatedMasks(annotations, remarks, size)
    if not found:
        beside = [name for name in EXTRA_FOLDERS if (folder / name).is_dir()]
        hint = f"To convert what lies in {folder / beside[0]}, give that folder." if beside else ""
        raise InputError(
            f"No masks in {folder}.",
            hint
            or "Expected <sequence>/<frame>.png, <frame>.png, or the released script's <video>_<t>_mask.png.",
        )
    if found[0].path.suffix == ".npz":
        return SoftMasks(found)
    return StoredMasks(found, remarks, are_raw=False)


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a zip's masks into a folder that lasts as long as the context.

    Folders that hold everything, such as ``Annotations`` in a submission to YouTube-VOS, are left out of the
    paths. Errors that are raised inside name the archive instead of the folder.

    Raises:
        InputError: If the zip is damaged, has no masks, or a path in it leads out of it.
    """
    with tempfile.TemporaryDirectory(prefix="sfc-") as made:
        folder = Path(made)
        try:
            _unpack(archive, folder)
            yield folder
        except SfcError as error:
            error.message = error.message.replace(made, str(archive))
            error.hint = error.hint.replace(made, str(archive))
            raise


def _in_sequences(folder: Path, suffix: str) -> list[MaskSource]:
    flat = _shown(folder.glob(f"*.{suffix}"))
    # Elsewhere a folder of such a name may well be a sequence.
    is_result = bool(flat) or (folder / RECORD_NAME).is_file()
    skipped = EXTRA_FOLDERS if is_result else ()
    nested = [
        path
        for path in _shown(folder.glob(f"*/*.{suffix}"))
        if path.parent.name not in skipped and path.parent.name[0] != "."
    ]
    found = (
        MaskSource(path=path, sequence="" if path.parent == folder else path.parent.name, stem=path.stem)
        for path in (*flat, *nested)
    )
    return sorted(found, key=lambda mask: mask.order)


def _shown(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.name[0] != "."]


def _name_raw_masks(
    numbers: dict[Path, tuple[int, int]],
    dataset: MaskDataset,
    sequences: Sequence[str],
    remarks: Remarks,
) -> list[MaskSource]:
    """Name masks after the sequence and frame that their numbers stand for.

    Args:
        numbers: The video's number and the frame's, by file.
        dataset: Names the frames.
        sequences: The videos in the order that numbers them.
        remarks: Told of videos without masks.

    Raises:
        InputError: If there is no such video or frame, or a frame of a video has no mask.
    """
    stems: dict[int, list[str]] = {}
    found = []
    for path, (video, frame) in sorted(numbers.items(), key=lambda item: item[1]):
        if video >= len(sequences):
            raise InputError(
                f"{path} is of video {video}, but the split has {counted(len(sequences), 'sequence')}.",
                "Check `data` and `split`.",
            )
        if video not in stems:
            stems[video] = [frame_path.stem for frame_path in dataset.frames(sequences[video])]
        if frame >= len(stems[video]):
            raise InputError(
                f"{path} is frame {frame} of {sequences[video]}, which has {len(stems[video])} frames.",
                "Check `data` and `split`.",
            )
        found.append(MaskSource(path=path, sequence=sequences[video], stem=stems[video][frame]))
    for video, names in stems.items():
        there = {source.stem for source in found if source.sequence == sequences[video]}
        missing = [number for number, name in enumerate(names) if name not in there]
        if missing:
            first = next(iter(numbers)).with_name(f"{video}_{missing[0]}_mask.png")
            raise InputError(
                f"{len(missing)} of {len(names)} frames of {sequences[video]} have no mask; "
                f"the first missing is {first}.",
                "Was the released script's run complete?",
            )
    absent = [name for video, name in enumerate(sequences) if video not in stems]
    if absent:
        remarks.add(
            f"{len(absent)} of the split's {len(sequences)} sequences have no mask: {in_short(absent, 5)}."
        )
    return found


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _members(opened, archive)
            needed, free = sum(info.file_size for info, _ in members), shutil.disk_usage(folder).free
            if needed > free:
                raise InputError(
                    f"{archive} takes {needed >> 20:,} MiB unpacked, but {folder.parent} has only "
                    f"{free >> 20:,} MiB free.",
                    "Set TMPDIR to a larger disk.",
                )
            for info, path in members:
                target = inside(folder, str(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{archive} is a damaged zip file: {error}.", "Make the zip again.") from None
    except OSError as error:
        raise InputError(f"Cannot unpack {archive}: {error.strerror or error}.") from None


def _members(opened: zipfile.ZipFile, archive: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Pair the members that may be masks, and a run's record if there is one, with their paths."""
    found = []
    for info in opened.infolist():
        if info.is_dir():
            continue
        # Python cuts a name at a NUL, and takes another name from an extra field.
        if not (is_inside_name(info.orig_filename) and is_inside_name(info.filename)):
            raise InputError(
                f"{archive} is refused: its member {info.orig_filename!r} leads out of it.",
                "Make the zip again.",
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(
                f"{archive} is refused: its member {info.filename!r} is a link.", "Make the zip again."
            )
        path = PurePosixPath(info.filename.replace("\\", "/"))
        is_hidden = any(part[0] == "." or part == "__MACOSX" for part in path.parts)
        is_wanted = path.suffix[1:] in _SUFFIXES or path.name == RECORD_NAME
        if is_wanted and not is_hidden:
            found.append((info, path))
    masks = [path for _, path in found if path.name != RECORD_NAME]
    if not masks:
        raise InputError(f"No masks in {archive}.", "Expected <sequence>/<frame>.png in it.")
    top = _shared_top(masks)
    return [
        (info, path.relative_to(top)) for info, path in found if top == PurePosixPath() or top in path.parents
    ]


def _shared_top(paths: list[PurePosixPath]) -> PurePosixPath:
    """Return the folder above all sequences."""
    top = PurePosixPath()
    while True:
        rests = [path.relative_to(top).parts for path in paths]
        if len({rest[0] for rest in rests}) > 1 or any(len(rest) < 3 for rest in rests):
            return top
        top = top / rests[0][0]
