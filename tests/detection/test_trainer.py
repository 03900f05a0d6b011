"""Configs and data that cannot be trained on end in one sentence that names them."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.utils.events import EventStorage

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection.config import load_config
from snr_plugins.detection.datasets import register_coco_folder
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken.yaml", "MODEL: [1, 2", "broken.yaml is not valid YAML near line"),
        ("list.yaml", "- 1\n- 2\n", "list.yaml must hold a mapping"),
        ("empty.yaml", "", "empty.yaml must hold a mapping"),
        ("based.yaml", '_BASE_: "gone.yaml"\n', "gone.yaml"),
        ("key.yaml", "MODEL:\n  SNR:\n    STAGE: [res2]\n", "MODEL.SNR.STAGE.*MODEL.SNR.STAGES"),
        ("lazy.py", "model = 1\n", "LazyConfig.*lazyconfig_train_net.py"),
    ],
)
def test_unreadable_config_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(str(path), ["MODEL.DEVICE", "cpu"])


def test_training_on_unlabelled_images_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    images = [{"id": 1, "file_name": "a.png", "height": 8, "width": 8}]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(THING_CLASSES)]
    coco = {"images": images, "categories": categories, "annotations": []}
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    register_coco_folder("unlabelled", str(tmp_path / "boxes.json"), str(tmp_path))
    overrides = ["DATASETS.TRAIN", "('unlabelled',)", "DATASETS.TEST", "()"]
    cfg = load_config(
        "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml", overrides
    )
    with pytest.raises(InputError, match="no image of unlabelled has a box"):
        Trainer.build_train_loader(cfg)


def test_calibrated_start_is_the_style_of_the_training_images(tmp_path):
    """One image, never flipped: gamma and beta are statistics of the plain network's feature."""
    rng = np.random.default_rng(0)
    cv2.imwrite(str(tmp_path / "a.png"), rng.integers(0, 255, (64, 96, 3), np.uint8))
    images = [{"id": 1, "file_name": "a.png", "height": 64, "width": 96}]
    boxes = [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 40, 40], "iscrowd": 0}]
    coco = {
        "images": images,
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(THING_CLASSES)],
        "annotations": [box | {"area": 1600} for box in boxes],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    register_coco_folder("one_image", str(tmp_path / "boxes.json"), str(tmp_path))
    cfg = load_config(
        "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml",
        [
            *("MODEL.WEIGHTS", "", "DATASETS.TRAIN", "('one_image',)", "DATASETS.TEST", "()"),
            *("INPUT.MIN_SIZE_TRAIN", "(64,)", "INPUT.RANDOM_FLIP", "none"),
            *("SOLVER.IMS_PER_BATCH", "1", "DATALOADER.NUM_WORKERS", "0"),
            *("MODEL.SNR.STAGES", "['res2']"),
            *("MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path)),
        ],
    )
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    model = trainer.model.eval()
    bottom_up = model.backbone.bottom_up
    snr = bottom_up.res2.snr
    del bottom_up.res2.snr
    batch = next(iter(trainer.build_train_loader(cfg)))
    with torch.no_grad():
        image = model.preprocess_image(batch).tensor
        feature = bottom_up.res2(bottom_up.stem(image)).flatten(2)
    bottom_up.res2.add_module("snr", snr)
    with EventStorage():
        model.train()(batch)
    torch.testing.assert_close(snr.norm.weight.data, feature.std(2, correction=0)[0])
    torch.testing.assert_close(snr.norm.bias.data, feature.mean(2)[0])
    # the next batch changes nothing, and so does a model whose SNR came from a checkpoint
    resumed = Trainer.build_model(cfg)
    resumed.load_state_dict(model.state_dict())
    for same in (model, resumed.train()):
        weight = same.backbone.bottom_up.res2.snr.norm.weight
        before = weight.clone()
        batch[0]["image"] = batch[0]["image"] // 2
        with EventStorage():
            same(batch)
        assert torch.equal(weight, before)
