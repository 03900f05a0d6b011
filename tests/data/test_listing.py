"""Which files count: one rule, in the low-level walk, in both readers and in the checks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from snr_plugins.data.checks.inspection import inspect_layout
from snr_plugins.data.checks.recognition import layouts_in
from snr_plugins.data.folder import list_images
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.listing import differs_in_case, is_image, walk
from snr_plugins.errors import InputError
from tests.trees import PAINTED, write_cityscapes_tree, write_kitti_tree


@pytest.fixture
def folder(tmp_path) -> Path:
    """Files at three depths, hidden ones, a link to a folder and a link to nothing."""
    root = tmp_path / "root"
    for name in (
        "b.png",
        "a/z.png",
        "a/deep/y.png",
        "a.d/x.png",
        ".hidden.png",
        ".cache/w.png",
        "a/._z.png",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "v.png").touch()
    os.symlink(tmp_path / "elsewhere", root / "linked")
    os.symlink(tmp_path / "gone", root / "c.png")
    os.symlink("d.png", root / "d.png")  # to itself
    return root


def names(root: Path, levels: int | None) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk(root, levels)]


def test_files_by_depth(folder):
    assert names(folder, 0) == ["b.png", "c.png", "d.png"]
    assert names(folder, 1) == ["a/z.png", "a.d/x.png", "linked/v.png"]
    everything = names(folder, None)
    assert set(everything) == {*names(folder, 0), *names(folder, 1), "a/deep/y.png"}
    assert everything == [path.relative_to(folder).as_posix() for path in sorted(walk(folder))]
    assert list_images(folder) == list(walk(folder))


def test_a_folder_that_cannot_be_read_is_named(folder):
    with pytest.raises(InputError, match=r"b\.png cannot be read \(Not a directory\): check"):
        list(walk(folder / "b.png"))
    faults: list[str] = []
    assert list(walk(folder / "nowhere", 1, faults)) == []
    assert faults == [
        f"The folder {folder}/nowhere cannot be read (No such file or directory): check its "
        "permissions."
    ]


@pytest.mark.parametrize("name", ["a.JPG", "a.tif", "a.TIFF", "été 1.jpeg", "a.b.webp"])
def test_images_by_their_endings(tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "Thumbs.db").touch()
    assert is_image(Path(name)) and list_images(tmp_path) == [tmp_path / name]


def test_upper_and_lower_case():
    assert not is_image(Path("a.txt")) and not is_image(Path("Thumbs.db"))
    assert differs_in_case(Path("x_leftImg8bit.PNG"), "_leftImg8bit.png")
    assert not differs_in_case(Path("x_leftImg8bit.png"), "_leftImg8bit.png")
    assert not differs_in_case(Path("x.PNG"), "_leftImg8bit.png")


def hide_an_image(folder: Path, suffix: str) -> None:
    """As another system's archive leaves beside the images, ``._`` and the same name."""
    image = next(folder.rglob(f"*{suffix}"))
    image.with_name(f"._{image.name}").write_bytes(b"not an image")


def put_a_folder_by_the_name_of_an_image(folder: Path, suffix: str) -> None:
    (next(folder.rglob(f"*{suffix}")).parent / f"folder{suffix}").mkdir()


def put_an_image_too_deep(folder: Path, suffix: str) -> None:
    deep = next(folder.rglob(f"*{suffix}")).parent / "deep" / "deeper" / f"image{suffix}"
    deep.parent.mkdir(parents=True)
    Image.new("RGB", (2, 2)).save(deep)


@pytest.mark.parametrize(
    "change", [hide_an_image, put_a_folder_by_the_name_of_an_image, put_an_image_too_deep]
)
@pytest.mark.parametrize(("name", "split"), [("cityscapes", "val"), ("kitti", "train")])
def test_readers_and_checks_see_the_same_frames(tmp_path, change, name, split):
    write = {"cityscapes": write_cityscapes_tree, "kitti": write_kitti_tree}[name]
    write(tmp_path)
    layout = LAYOUTS[name]
    (images,) = layout.conditions
    change(tmp_path / images.folder_of(split), images.suffix)
    read = [frame.image for frame in layout.frames(tmp_path, split, "unpack it")]
    report = inspect_layout(layout, tmp_path, split, any_count=True, progress=False)
    assert [image for image, _ in report.samples] == read
    assert len(read) == report.labels == (len(PAINTED) if name == "cityscapes" else 2)
    assert layouts_in(tmp_path) == [layout]


def test_a_folder_of_hidden_images_alone_has_no_layout(tmp_path):
    write_kitti_tree(tmp_path)
    for image in (tmp_path / "training" / "image_2").iterdir():
        image.rename(image.with_name(f".{image.name}"))
    assert layouts_in(tmp_path) == []
