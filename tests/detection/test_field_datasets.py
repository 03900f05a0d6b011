"""Diverse Weather, BDD100K and RTTS in Detectron2's catalogue, their scores and their configs."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import PascalVOCDetectionEvaluator
from detectron2.structures import Boxes, BoxMode

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection import add_snr_config
from snr_plugins.detection.catalogue import check_class_count, describe_dataset
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.errors import InputError
from tests.detection.test_perfect_detections import perfect, score
from tests.field_trees import (
    BDD_FRAMES,
    voc_xml,
    write_bdd100k,
    write_diverse_weather,
    write_rtts,
)

CONFIGS = Path(__file__).parents[2] / "configs" / "detection"
FIELD = ("diverse_weather", "cityscapes_to_bdd100k", "cityscapes_to_rtts")
ALL_DAY = {stem: ("daytime", objects) for stem, (_, objects) in BDD_FRAMES.items()}
ALL_NIGHT = {stem: ("night", objects) for stem, (_, objects) in BDD_FRAMES.items()}


pytestmark = pytest.mark.usefixtures("project_datasets")


def write(root: Path, name: str) -> None:
    if name.startswith("diverse_weather"):
        write_diverse_weather(root / "diverseWeather", nested="foggy" in name)
    elif name.startswith("rtts"):
        write_rtts(root / "RTTS")
    else:
        split = "val" if "val" in name else "train"
        write_bdd100k(root / "bdd100k", split, ALL_NIGHT if "night" in name else ALL_DAY)


NAMES = [
    *(
        f"diverse_weather_{name}"
        for name in (
            *("daytime_clear_train", "daytime_clear_test", "night_sunny_train"),
            *("dusk_rainy_train", "night_rainy_train", "daytime_foggy_train"),
        )
    ),
    *(
        f"bdd100k{time}_{split}{ending}"
        for time in ("", "_daytime", "_night")
        for split in ("train", "val")
        for ending in ("", "_2018")
    ),
    "rtts_test",
]


@pytest.mark.parametrize("name", NAMES)
def test_perfect_detections_score_all(tmp_path, name):
    write(tmp_path, name)
    ap50, scored = score(name, str(tmp_path / "out"))
    assert scored and ap50 == pytest.approx(100)
    for record in DatasetCatalog.get(name):
        assert {a["bbox_mode"] for a in record["annotations"]} <= {BoxMode.XYXY_ABS}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_dataset_names_the_root(tmp_path, name):
    with pytest.raises(InputError, match=rf"DETECTRON2_DATASETS \(the root, now {tmp_path}\)"):
        DatasetCatalog.get(name)


def test_11_points_are_those_of_detectron2s_voc_evaluator(tmp_path):
    """It reads no file of the archive itself, only what a loader has written anew."""
    rng = np.random.default_rng(0)
    name = "diverse_weather_night_sunny_train"
    root = write_diverse_weather(tmp_path / "diverseWeather") / "night_sunny" / "VOC2007"
    stems = (root / "ImageSets/Main/train.txt").read_text().split()
    for stem in stems:
        corners = rng.integers((1, 1, 20, 20), (20, 20, 64, 36), (12, 4))
        objects = tuple(("car" if i % 3 else "bus", tuple(box)) for i, box in enumerate(corners))
        (root / "Annotations" / f"{stem}.xml").write_text(voc_xml(objects, rewritten=True))
    DatasetCatalog.register("as_voc", lambda: None)
    MetadataCatalog.get("as_voc").set(
        dirname=str(root), split="train", year=2007, thing_classes=["bus", "car"]
    )
    ours, theirs = coco_evaluator(name, str(tmp_path)), PascalVOCDetectionEvaluator("as_voc")
    ours.reset(), theirs.reset()
    for number, record in enumerate(DatasetCatalog.get(name)):
        detections = perfect(record)["instances"]
        count = len(detections)
        boxes = detections.pred_boxes.tensor
        away = torch.from_numpy(rng.random(count) < 0.4).float()[:, None]
        detections.pred_boxes = Boxes(boxes + 100 * away)  # some are found and others invented
        # no two alike: the evaluators order them in ways of their own
        detections.scores = torch.from_numpy(3.0 * rng.permutation(count) + number).float() / 40
        ours.process([record], [{"instances": detections}])
        as_theirs = copy.deepcopy(detections)
        as_theirs.pred_classes = (detections.pred_classes == 2).long()  # 0 bus, 1 car
        theirs.process([record], [{"instances": as_theirs}])
    result, expected = ours.evaluate()["bbox"], theirs.evaluate()["bbox"]["AP50"]
    assert result["AP50-11-points"] == pytest.approx(expected, abs=0.1)
    assert abs(result["AP50"] - expected) > 0.5


def test_what_a_result_must_state():
    described = describe_dataset("diverse_weather_night_sunny_train")
    assert (described["split"], described["box_convention"]) == ("night_sunny/train", "voc")
    assert described["conditions"] == ["night_sunny"]
    assert described["thing_classes"] == ["bus", "bike", "car", "motor", "person", "rider", "truck"]
    described = describe_dataset("bdd100k_daytime_val_2018")
    assert described["conditions"] == ["daytime"]
    assert described["box_convention"] == "bdd100k 2018, width x2 - x1"
    assert "det_20" in describe_dataset("bdd100k_daytime_val")["box_convention"]


def test_what_cityscapes_shares_with_each():
    seven = [name for name in THING_CLASSES if name != "train"]
    assert describe_dataset("cityscapes_bdd100k_val")["thing_classes"] == seven
    assert describe_dataset("rtts_test")["thing_classes"] == [
        *("person", "car", "bus", "motorcycle", "bicycle")
    ]
    check_class_count(7, ["cityscapes_bdd100k_train", "bdd100k_daytime_val", "bdd100k_val_2018"])
    check_class_count(5, ["cityscapes_rtts_train", "rtts_test"])


@pytest.mark.parametrize(
    "path",
    sorted(path for end in FIELD for path in CONFIGS.glob(f"*_{end}*.yaml")),
    ids=lambda path: path.stem,
)
def test_configs_name_datasets_of_their_classes(path):
    cfg = get_cfg()
    add_snr_config(cfg)
    cfg.merge_from_file(str(path))
    names = [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST]
    check_class_count(cfg.MODEL.ROI_HEADS.NUM_CLASSES, names)
    assert f"./output/{path.stem}" == cfg.OUTPUT_DIR
    assert f"R_{cfg.MODEL.RESNETS.DEPTH}_" in path.stem
    assert f"R-{cfg.MODEL.RESNETS.DEPTH}.pkl" in cfg.MODEL.WEIGHTS
    plain = get_cfg()
    add_snr_config(plain)
    plain.merge_from_file(str(path.with_stem(path.stem.removesuffix("_snr"))))
    for config in (cfg, plain):
        config.OUTPUT_DIR = config.MODEL.META_ARCHITECTURE = config.MODEL.BACKBONE.NAME = ""
    assert cfg == plain


def test_every_config_has_both_forms():
    stems = {path.stem for end in FIELD for path in CONFIGS.glob(f"*_{end}*.yaml")}
    assert len(stems) == 8
    assert {f"{stem}_snr" for stem in stems if not stem.endswith("_snr")} < stems
