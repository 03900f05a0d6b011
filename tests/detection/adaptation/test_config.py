"""What is checked of an adaptation before training, and the keys that its page names."""

import re
from pathlib import Path

import pytest

pytest.importorskip("detectron2")

from detectron2.config import get_cfg

from snr_plugins.detection import add_snr_config
from snr_plugins.detection.checks import check_run
from snr_plugins.detection.config import load_config
from snr_plugins.detection.stamp import Run, stamp_of
from snr_plugins.errors import InputError
from tests.detection.adaptation.models import CONFIGS
from tests.trees import IMAGE_NAMES, write_cityscapes_tree

NIGHT = f"{CONFIGS}faster_rcnn_thin_R_50_FPN_synthetic_city_to_night_da.yaml"
FOLDER = ("DATASETS.TRAIN", "('synthetic_city_clear_to_folder',)")


@pytest.fixture
def city(project_datasets, tmp_path):
    for split in ("train", "val"):
        write_cityscapes_tree(tmp_path / "synthetic_city", split, tuple(IMAGE_NAMES))
    return tmp_path / "synthetic_city"


def checked(tmp_path, *options, config=NIGHT):
    options = ("MODEL.WEIGHTS", "", "OUTPUT_DIR", str(tmp_path / "out"), *options)
    cfg = load_config(config, options)
    check_run(cfg)
    return cfg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["SOLVER.IMS_PER_BATCH", 3], "SOLVER.IMS_PER_BATCH is 3: .* take a multiple of 2"),
        (["DATALOADER.ASPECT_RATIO_GROUPING", True], "ASPECT_RATIO_GROUPING is True"),
        (FOLDER, "DATASETS.TARGET_FOLDER is empty"),
        ((*FOLDER, "DATASETS.TARGET_FOLDER", "/nowhere"), "folder /nowhere does not exist"),
        (["DATASETS.TRAIN", "('synthetic_city_clear_train',)"], "has no target: name a pair"),
        (["MODEL.META_ARCHITECTURE", "GeneralizedRCNN"], "holds two domains: set MODEL.META_ARCH"),
        (["DATASETS.TARGET_FOLDER", "/nowhere"], "adapts to synthetic_city_night_train; empty it"),
        (
            ["DATASETS.TRAIN", "('synthetic_city_clear_to_night', 'synthetic_city_clear_train')"],
            "has more than a pair",
        ),
        (
            [
                *("DATASETS.TRAIN", "('synthetic_city_clear_train',)"),
                *("MODEL.META_ARCHITECTURE", "GeneralizedRCNN", "DATASETS.TARGET_FOLDER", "x"),
            ],
            "DATASETS.TARGET_FOLDER is x but .* adapts to no folder",
        ),
        (
            ["MODEL.MEAN_TEACHER.BURN_IN", 9, "SOLVER.MAX_ITER", 9],
            "MODEL.MEAN_TEACHER.BURN_IN 9 leaves none of SOLVER.MAX_ITER 9 iterations",
        ),
        (["MODEL.ROI_HEADS.NUM_CLASSES", 3], "MODEL.ROI_HEADS.NUM_CLASSES is 3"),
    ],
    ids=str,
)
def test_what_does_not_fit_gets_one_sentence(city, tmp_path, options, message):
    with pytest.raises(InputError, match=message) as error:
        checked(tmp_path, *options)
    assert "\n" not in str(error.value)


def test_what_fits_passes(city, tmp_path):
    checked(tmp_path)
    pictures = city / "leftImg8bit_rain" / "train"
    checked(tmp_path, *FOLDER, "DATASETS.TARGET_FOLDER", str(pictures))


def test_the_stamp_counts_test_images_among_the_targets(city, tmp_path):
    name = "synthetic_city_night_val"
    images = [{"file_name": str(path)} for path in sorted((city).rglob("*_night.png"))]
    assert len(images) == 6  # three of each split
    run = Run.of(checked(tmp_path))
    adaptation = stamp_of(name, {"images": images}, run, {})["adaptation"]
    assert adaptation == {
        "source": "synthetic_city_clear_train",
        "target": "synthetic_city_night_train",
        "target_images": 3,
        "test_images_among_them": 3,
    }
    for path in (city / "leftImg8bit_night" / "train").rglob("*.png"):
        path.unlink()
    adaptation = stamp_of(name, {"images": images}, run, {})["adaptation"]
    assert adaptation["target_images"] is None and adaptation["test_images_among_them"] is None


def test_a_source_alone_has_no_such_line():
    run = Run("out", "", 1)
    assert "adaptation" not in stamp_of("synthetic_city_night_val", {"images": []}, run, {})


def test_keys_that_the_page_names_exist():
    cfg = get_cfg()
    add_snr_config(cfg)
    page = (Path(CONFIGS).resolve().parents[1] / "docs" / "adaptation.md").read_text()
    named = re.findall(r"MODEL\.(DOMAIN_ADVERSARIAL|MEAN_TEACHER)\.([A-Z_]+)", page)
    assert named and all(key in cfg.MODEL[node] for node, key in named)
