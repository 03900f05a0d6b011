"""INPUT.PHOTOMETRIC: our trainer's images in other colours, everything else as it was."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.env import seed_all_rng

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection.config import load_config
from snr_plugins.detection.datasets import register_coco_folder
from snr_plugins.detection.photometric import photometric_augmentations
from snr_plugins.detection.trainer import Trainer


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(60, 200, (64, 96, 3), np.uint8))
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 40], "area": 1600}
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "height": 64, "width": 96}],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(THING_CLASSES)],
        "annotations": [{**box, "iscrowd": 0}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    register_coco_folder("one_colour", str(tmp_path / "boxes.json"), str(tmp_path))
    yield "one_colour"
    DatasetCatalog.remove("one_colour")
    MetadataCatalog.remove("one_colour")


def images(dataset, photometric, count=4):
    cfg = load_config(
        "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml",
        [
            *("MODEL.WEIGHTS", "", "DATASETS.TRAIN", f"('{dataset}',)", "DATASETS.TEST", "()"),
            *("INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.RANDOM_FLIP", "none"),
            *("SOLVER.IMS_PER_BATCH", "1", "DATALOADER.NUM_WORKERS", "0"),
            *("MODEL.DEVICE", "cpu", "INPUT.PHOTOMETRIC", str(photometric)),
        ],
    )
    seed_all_rng(1)
    loader = iter(Trainer.build_train_loader(cfg))
    return [next(loader)[0] for _ in range(count)]


def test_colours_change_and_nothing_else(dataset):
    plain, augmented = images(dataset, False), images(dataset, True)
    assert all(torch.equal(x["image"], plain[0]["image"]) for x in plain)
    means = torch.stack([x["image"].float().mean((1, 2)) for x in augmented])
    assert means.std(0).min() > 5  # of 255, between copies of one image
    for x in augmented:
        assert x["image"].shape == plain[0]["image"].shape and x["image"].dtype == torch.uint8
        assert torch.equal(x["instances"].gt_boxes.tensor, plain[0]["instances"].gt_boxes.tensor)


def test_ranges_are_those_that_the_docs_state():
    brightness, contrast, saturation, lighting = photometric_augmentations()
    stated = ((brightness, (0.4, 1.6)), (contrast, (0.4, 1.6)), (saturation, (0, 2)))
    for augmentation, bounds in stated:
        assert (augmentation.intensity_min, augmentation.intensity_max) == bounds
    assert lighting.scale == pytest.approx(76.5)
