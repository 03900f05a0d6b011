"""Images that are damaged once training is under way: Pillow's errors do not say which."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

pytest.importorskip("detectron2")

from detectron2.config import get_cfg
from detectron2.data import DatasetMapper, build_detection_test_loader
from PIL import Image

from snr_plugins.data.folder import read_image_folder
from snr_plugins.detection.mapper import NamingMapper
from snr_plugins.errors import InputError, sentence_in


@pytest.fixture
def folder(tmp_path):
    for index, suffix in enumerate((".png", ".jpg")):
        pixels = np.random.default_rng(index).integers(0, 255, (48, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}{suffix}")
    return tmp_path


@pytest.fixture
def mapper():
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TEST = 48
    return NamingMapper(DatasetMapper(cfg, is_train=False))


@pytest.mark.fault(
    "interruption",
    "An image that is cut short, of no bytes or no image, met while a training is under way, in "
    "each framework",
    "one sentence names it, where OpenCV would fill up the rest with grey",
)
@pytest.mark.parametrize("index", [0, 1])
def test_a_damaged_image_is_named(folder, mapper, index):
    record = read_image_folder(folder)[index]
    path = next(folder.glob(f"{index}.*"))
    whole = path.read_bytes()
    assert mapper(record)["image"].shape == (3, 48, 96)
    for content in (whole[: len(whole) // 2], whole[:40], b"", b"no image at all"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"^{path} is damaged .*: copy or download it again"):
            mapper(record)


def test_in_a_loaders_worker(folder, mapper):
    """Whose error is a traceback: what is in it is said."""
    records = read_image_folder(folder)
    path = folder / "1.jpg"
    path.write_bytes(b"")
    loader = build_detection_test_loader(dataset=records, mapper=mapper, num_workers=1)
    with pytest.raises(InputError) as error:
        list(loader)
    sentence = sentence_in(str(error.value))
    assert (
        sentence is not None
        and sentence.startswith(f"{path} is damaged (")
        and "\n" not in sentence
    )


def test_more_pixels_than_pillow_reads(folder, mapper):
    """179 megapixels are Pillow's limit, and Detectron2 reads by Pillow."""
    record = read_image_folder(folder)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        Image.new("1", (20_000, 9_000)).save(folder / "0.png")
    with pytest.raises(
        InputError, match=r"0\.png is too large .*180000000 pixels.*make it smaller"
    ):
        mapper(record)


def test_other_errors_and_what_is_not_on_this_disk_are_left_alone(folder, mapper):
    record = read_image_folder(folder)[0]
    with pytest.raises(ValueError, match="Mismatched image shape"):
        mapper({**record, "height": 7})
    with pytest.raises(FileNotFoundError):
        mapper({**record, "file_name": str(folder / "2.png")})
    assert pickle.loads(pickle.dumps(mapper)).mapper.is_train is False  # for workers
