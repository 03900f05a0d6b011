"""Configs and data that cannot be trained on end in one sentence that names them."""

import json

import cv2
import numpy as np
import pytest

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection.datasets import register_coco_folder
from snr_plugins.detection.trainer import Trainer, load_config
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
