import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion import Converted, convert_masks
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, palette, read_ids, write_mask
from sfc_cli.errors import InputError
from tests.conversion.conftest import require_same, truth_of

MakeResults = Callable[..., tuple[Path, Path]]

OUT = Path("out.zip")


def _submit(results: Path, data: Path | None = None, **settings: str) -> Converted:
    dataset = None if data is None else DavisDataset(root=data)
    return convert_masks(results, OUT, to="zip", dataset=dataset, **settings)  # type: ignore[arg-type]


def _refuse(results: Path, data: Path | None, *said: str) -> None:
    with pytest.raises(InputError) as caught:
        _submit(results, data)
    for text in said:
        assert text in str(caught.value)
    assert not list(Path().glob("*out.zip*"))


def _stored(prefix: str = "") -> dict[str, Ids]:
    """Return the masks of the zip, which must be indexed PNGs with the palette and nothing else."""
    found = {}
    with zipfile.ZipFile(OUT) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names)
        for name in names:
            with Image.open(io.BytesIO(archive.read(name))) as image:
                assert (image.format, image.mode) == ("PNG", "P")
                assert image.getpalette() == palette().ravel().tolist()
                found[name.removeprefix(prefix).removesuffix(".png")] = np.asarray(image)
            assert name.startswith(prefix)
    return found


@pytest.mark.parametrize("with_data", [False, True])
def test_zip__masks_alone(make_results: MakeResults, with_data: bool) -> None:
    data, results = make_results({"zebra": 11, "ant": 3}, ids=(1, 9))
    done = _submit(results, data if with_data else None)
    assert (done.sequences, done.masks, done.remarks) == (2, 14, ())
    require_same(_stored(), truth_of(data))


def test_zip__youtube_vos(make_results: MakeResults) -> None:
    data, results = make_results()
    _submit(results, layout="youtube-vos")
    require_same(_stored("Annotations/"), truth_of(data))


def test_zip__youtube_vos_with_data(make_results: MakeResults) -> None:
    data, results = make_results()
    truth = truth_of(data)
    # Sequences lie without a folder for the resolution, there is no list, and an object may come later.
    for folder in ("JPEGImages", "Annotations"):
        for path in list((data / folder / "480p").iterdir()):
            path.rename(data / folder / path.name)
        (data / folder / "480p").rmdir()
    (data / "ImageSets" / "2017" / "val.txt").unlink()
    mask = truth["first/00002"].copy()
    mask[mask == 2] = 7
    write_mask(data / "Annotations" / "first" / "00002.png", mask)
    write_mask(results / "first" / "00003.png", mask)
    truth["first/00003"] = mask
    dataset = DavisDataset(root=data, resolution="")
    convert_masks(results, OUT, to="zip", dataset=dataset, layout="youtube-vos")
    require_same(_stored("Annotations/"), truth)


def test_zip__equal_masks_make_equal_zips(make_results: MakeResults) -> None:
    _, results = make_results()
    _submit(results)
    once = OUT.read_bytes()
    for path in sorted(results.rglob("*.png"), reverse=True):
        path.touch()
    (results / "first").rename(results / "moved")
    (results / "moved").rename(results / "first")
    _submit(results)
    assert OUT.read_bytes() == once
    # A submission can be submitted again.
    OUT.rename("in.zip")
    _submit(Path("in.zip"))
    assert OUT.read_bytes() == once


def test_zip__leaves_out_what_is_not_asked_for(make_results: MakeResults) -> None:
    data, results = make_results()
    truth = truth_of(data)
    (data / "ImageSets" / "2017" / "test-dev.txt").write_text("second\n")
    write_mask(results / "second" / "00009.png", truth["second/00000"])
    done = _submit(results, data, split="test-dev")
    assert done.remarks == ("Left out, because the data set does not ask for it: 5 masks.",)
    require_same(_stored(), {name: ids for name, ids in truth.items() if name.startswith("second")})


def test_zip__first_annotation_alone_as_in_test_dev(make_results: MakeResults) -> None:
    data, results = make_results()
    truth = truth_of(data)
    for path in (data / "Annotations").rglob("*.png"):
        if path.stem != "00000":
            path.unlink()
    _submit(results, data)
    require_same(_stored(), truth)


def test_zip__missing_sequence(make_results: MakeResults) -> None:
    data, results = make_results()
    for path in (results / "second").iterdir():
        path.unlink()
    _refuse(results, data, "1 of 2 sequences", "second", "`split`")


def test_zip__missing_frame(make_results: MakeResults) -> None:
    data, results = make_results()
    (results / "second" / "00002.png").unlink()
    _refuse(results, data, "1 of 3 frames of second", "results/second/00002.png")
    # The last of a sequence cannot be missed without the data set, one in its midst can.
    _submit(results)
    OUT.unlink()
    (results / "first" / "00001.png").unlink()
    _refuse(results, None, "no mask between results/first/00000.png and 00002.png")


def test_zip__every_fifth_frame_is_no_gap() -> None:
    for name in ("00005", "00010", "00015"):
        write_mask(Path("in", "s", f"{name}.png"), np.ones((4, 5), np.uint8))
    assert _submit(Path("in")).masks == 3
    Path("in/s/00010.png").rename("in/s/00020.png")
    OUT.unlink()
    _refuse(Path("in"), None, "between in/s/00005.png and 00015.png")


def test_zip__names_that_are_no_numbers() -> None:
    for name in ("a", "b", "x7"):
        write_mask(Path("in", "s", f"{name}.png"), np.ones((4, 5), np.uint8))
    assert _submit(Path("in")).masks == 3


@pytest.mark.parametrize("with_data", [False, True])
def test_zip__mixed_sizes(make_results: MakeResults, with_data: bool) -> None:
    data, results = make_results()
    write_mask(results / "second" / "00001.png", np.zeros((24, 32), np.uint8))
    _refuse(results, data if with_data else None, "results/second/00001.png has 32×24", "64×48")


def test_zip__another_size_than_the_annotations(make_results: MakeResults) -> None:
    data, results = make_results()
    for path in (results / "first").iterdir():
        write_mask(path, read_ids(path)[::2, ::2])
    _refuse(results, data, "results/first/00000.png has 32×24", "64×48")


@pytest.mark.parametrize("strange", [3, 255])
def test_zip__ids_that_the_annotation_does_not_have(make_results: MakeResults, strange: int) -> None:
    data, results = make_results()
    mask = read_ids(results / "second" / "00001.png").copy()
    mask[0, 0] = strange
    write_mask(results / "second" / "00001.png", mask)
    _refuse(results, data, f"results/second/00001.png holds the ids {strange}", "1, 2")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda ids: Image.fromarray(palette()[ids]), "PNG of mode RGB", id="rgb"),
        pytest.param(lambda ids: Image.fromarray(ids), "PNG of mode L", id="grey"),
    ],
)
def test_zip__files_that_are_not_indexed(
    make_results: MakeResults, make: Callable[[Ids], Image.Image], said: str
) -> None:
    data, results = make_results()
    path = results / "second" / "00001.png"
    make(read_ids(path)).save(path)
    _refuse(results, data, "results/second/00001.png", said, "sfc convert FOLDER OUT")
    _refuse(results, None, "results/second/00001.png", said)


def test_zip__other_formats_in_disguise(make_results: MakeResults) -> None:
    _, results = make_results()
    path = results / "second" / "00001.png"
    Image.open(path).save(path, format="GIF")
    _refuse(results, None, "results/second/00001.png", "GIF")
    path.write_bytes(b"")
    _refuse(results, None, "results/second/00001.png", "decoded")


def test_zip__flat_folder() -> None:
    write_mask(Path("in/00000.png"), np.ones((4, 5), np.uint8))
    _refuse(Path("in"), None, "in/00000.png", "folder named after its sequence")


def test_zip__empty_folder() -> None:
    Path("in").mkdir()
    _refuse(Path("in"), None, "No masks in in")


def test_zip__from_coco(make_results: MakeResults) -> None:
    pytest.importorskip("pycocotools")
    data, results = make_results()
    convert_masks(results, Path("in.json"), to="coco")
    _submit(Path("in.json"), data)
    require_same(_stored(), truth_of(data))


def _late_data_set(data: Path, results: Path) -> None:
    """Give no mask before frame 1 of the first sequence, and an object 9 from its frame 2 on."""
    given = data / "Annotations" / "480p" / "first"
    for stem in ("00000", "00003"):
        (given / f"{stem}.png").unlink()
    (results / "first" / "00000.png").unlink()
    mask = read_ids(given / "00002.png").copy()
    mask[:4] = 9
    write_mask(given / "00002.png", mask)
    write_mask(results / "first" / "00002.png", mask)


@pytest.mark.parametrize(("layout", "top"), [("davis", ""), ("youtube-vos", "Annotations/")])
def test_zip__objects_that_enter_late(make_results: MakeResults, layout: str, top: str) -> None:
    data, results = make_results()
    expected = truth_of(data)
    _late_data_set(data, results)
    expected["first/00002"] = read_ids(results / "first" / "00002.png")
    del expected["first/00000"]
    _submit(results, data, layout=layout, split="val")
    require_same(_stored(top), expected)
    # A frame that an object was given in before is asked for.
    (results / "first" / "00002.png").unlink()
    OUT.unlink()
    _refuse(results, data, "1 of 3 frames of first have no mask", "00002.png")


def test_zip__frames_in_natural_order(make_results: MakeResults) -> None:
    data, results = make_results({"first": 12})
    for path in [*data.rglob("*.jpg"), *data.rglob("*.png"), *results.rglob("*.png")]:
        path.rename(path.with_stem(str(int(path.stem))))
    for dataset in (data, None):
        _submit(results, dataset)
        with zipfile.ZipFile(OUT) as archive:
            assert archive.namelist() == [f"first/{t}.png" for t in range(12)]
