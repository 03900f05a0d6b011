"""Images that are cut short: OpenCV fills the rest with grey, and nobody would know."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

pytest.importorskip("mmseg")

from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope

from snr_plugins.errors import InputError
from snr_plugins.openmmlab.whole_images import check_image
from snr_plugins.segmentation import CamVidDataset, DomainDataset
from snr_plugins.segmentation.adaptation import ImageFolderDataset
from tests.domain_trees import write_domain_tree
from tests.segmentation.streets import write_two_colour_streets

LOAD = [{"type": "LoadImageFromFile"}]
STREETS = "day_train/images"


def camvid(root: Path) -> BaseDataset:
    write_two_colour_streets(root)
    return CamVidDataset(data_root=str(root), split="day_train", pipeline=LOAD)


def somebodys(root: Path) -> DomainDataset:
    write_two_colour_streets(root)
    images = {"img_path": STREETS}
    own = {"type": "BaseSegDataset", "data_root": str(root), "data_prefix": images}
    return DomainDataset(dataset=own, domain="day", pipeline=LOAD)


def folder(root: Path) -> BaseDataset:
    return ImageFolderDataset(str(write_two_colour_streets(root) / STREETS), pipeline=LOAD)


def classes(root: Path) -> BaseDataset:
    pytest.importorskip("mmpretrain")
    from snr_plugins.classification import DomainFolderDataset

    init_default_scope("mmpretrain")
    return DomainFolderDataset(str(write_domain_tree(root, images=3)), "dark", pipeline=LOAD)


@pytest.mark.fault(
    "interruption",
    "An image that is cut short, of no bytes or no image, met while a training is under way, in "
    "each framework",
    "one sentence names it, where OpenCV would fill up the rest with grey",
)
@pytest.mark.parametrize("dataset", [camvid, somebodys, folder, classes])
def test_a_damaged_image_is_named(dataset, tmp_path):
    init_default_scope("mmseg")
    images = dataset(tmp_path / "data")
    path = Path(images.get_data_info(2)["img_path"])
    whole = path.read_bytes()
    assert images[2]["img"].shape[2] == 3
    for content in (whole[:-2], whole[: len(whole) // 2], whole[:40], b"", b"no image at all"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path} is "):
            images[2]
    path.unlink()
    with pytest.raises(FileNotFoundError):
        images[2]
    assert images[1]["img"].shape[2] == 3


def test_what_the_check_is_for(tmp_path):
    """Were it gone, half of a JPEG would be trained on."""
    path = write_two_colour_streets(tmp_path / "data") / STREETS / "2.jpg"
    whole = cv2.imread(str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half = cv2.imread(str(path))
    assert half.shape == whole.shape and (half[-8:] != whole[-8:]).mean() > 0.9


def test_formats_that_are_rare_and_files_elsewhere(tmp_path):
    path = write_two_colour_streets(tmp_path / "data") / STREETS / "0.jpg"
    for suffix in (".bmp", ".webp", ".tiff"):
        cv2.imwrite(str(path.with_suffix(suffix)), cv2.imread(str(path)))
        check_image({"img_path": str(path.with_suffix(suffix))})
    shutil.move(path, path.with_suffix(".png"))  # what it is called does not matter
    check_image({"img_path": str(path.with_suffix(".png"))})
    check_image({"img_path": "s3://bucket/image.jpg"})
