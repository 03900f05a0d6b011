"""The evaluator: never on stale boxes, and AP50 per class as pycocotools computes it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, BoxMode, Instances
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection.datasets import (
    register_cityscapes_folder,
    register_coco_folder,
)
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.stamp import Run, stamp_of
from snr_plugins.results import read_stamps, summary
from tests.trees import HEIGHT, PAINTED, WIDTH, write_cityscapes_tree

NAME = "test_evaluated"


pytestmark = pytest.mark.usefixtures("own_catalogue")


def instances(boxes: list, scores: list, classes: list) -> dict:
    found = Instances((HEIGHT, WIDTH))
    found.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    found.scores = torch.tensor(scores, dtype=torch.float32)
    found.pred_classes = torch.tensor(classes, dtype=torch.int64)
    return {"instances": found}


def perfect(record: dict) -> dict:
    singles = [a for a in record["annotations"] if not a.get("iscrowd")]
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in singles]
    return instances(boxes, [0.9] * len(singles), [a["category_id"] for a in singles])


def disturbed(record: dict, rng: np.random.Generator) -> dict:
    """Boxes moved by up to a third of their size, random scores, some misses and inventions."""
    boxes, classes = [], []
    for annotation in record["annotations"]:
        box = np.array(annotation["bbox"], dtype=float)
        size = np.tile(box[2:] - box[:2], 2)
        for _ in range(int(rng.integers(0, 4))):
            boxes.append(box + size * rng.uniform(-0.35, 0.35, 4))
            same = rng.random() < 0.8
            classes.append(annotation["category_id"] if same else int(rng.integers(0, 8)))
    return instances(np.array(boxes).tolist(), rng.random(len(boxes)).tolist(), classes)


def scores(evaluator, detect) -> dict[str, float]:
    evaluator.reset()
    for record in DatasetCatalog.get(NAME):
        evaluator.process([record], [detect(record)])
    return evaluator.evaluate()["bbox"]


def register(tree: Path) -> None:
    register_cityscapes_folder(NAME, str(tree), "val")


def move_boxes(tree: Path) -> None:
    """The same frames, every instance ten columns further right."""
    moved = {
        stem: tuple((i, x0 + 10, y0, x1 + 10, y1) for i, x0, y0, x1, y1 in painted)
        for stem, painted in PAINTED.items()
    }
    write_cityscapes_tree(tree, painted=moved)


def test_perfect_detections_score_full(tmp_path):
    register(write_cityscapes_tree(tmp_path / "city"))
    result = scores(coco_evaluator(NAME, str(tmp_path / "out")), perfect)
    assert result["AP"] == pytest.approx(100)
    assert result["AP50-car"] == result["AP50-train"] == pytest.approx(100)
    assert np.isnan(result["AP50-bus"])


@pytest.mark.parametrize("same_folder", [True, False])
def test_boxes_are_read_anew_for_each_evaluator(tmp_path, same_folder):
    tree = write_cityscapes_tree(tmp_path / "city")
    register(tree)
    coco_evaluator(NAME, str(tmp_path / "out"))
    move_boxes(tree)
    later = "out" if same_folder else "later"
    result = scores(coco_evaluator(NAME, str(tmp_path / later)), perfect)
    assert result["AP"] == pytest.approx(100)


def test_a_stale_file_of_an_earlier_run_is_not_used(tmp_path):
    register(write_cityscapes_tree(tmp_path / "city"))
    out = tmp_path / "out"
    coco_evaluator(NAME, str(out))
    (written,) = out.glob("*_coco_format.json")
    stale = json.loads(written.read_text())
    for annotation in stale["annotations"]:
        annotation["bbox"][0] += 30
    # A new run: the catalogue knows nothing of the file, which lies where it will be looked for.
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)
    register(tmp_path / "city")
    written.write_text(json.dumps(stale))
    assert scores(coco_evaluator(NAME, str(out)), perfect)["AP"] == pytest.approx(100)


def evaluate_in_process(rank: int, tmp_path: Path) -> None:
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/rendezvous", rank=rank, world_size=2
    )
    comm.create_local_process_group(2)  # as detectron2.engine.launch does
    register(tmp_path / "city")
    records = DatasetCatalog.get(NAME)

    def records_for_conversion() -> list[dict]:
        (tmp_path / f"converted_by_{rank}").touch()
        return records

    DatasetCatalog[NAME] = records_for_conversion
    evaluator = coco_evaluator(NAME, str(tmp_path / "out"))
    evaluator.reset()
    for record in records[rank::2]:
        evaluator.process([record], [perfect(record)])
    result = evaluator.evaluate()
    (tmp_path / f"result_{rank}.json").write_text(json.dumps(result))
    comm.synchronize()
    os._exit(0)  # gloo's threads sometimes abort a process that ends by itself


@pytest.mark.fault(
    "processes",
    "Evaluation by two processes, in each framework",
    "each image counts once, and the scores are those of one process",
)
@pytest.mark.skipif(
    not torch.distributed.is_gloo_available(), reason="torch was built without gloo"
)
def test_of_two_processes_the_first_converts_and_the_other_waits(tmp_path):
    write_cityscapes_tree(tmp_path / "city")
    (tmp_path / "out").mkdir()
    # Whoever does not wait for the conversion reads this and fails.
    (tmp_path / "out" / f"{NAME}_coco_format.json").write_text("stale")
    torch.multiprocessing.spawn(evaluate_in_process, (tmp_path,), nprocs=2)
    result = json.loads((tmp_path / "result_0.json").read_text())
    assert result["bbox"]["AP"] == pytest.approx(100)
    assert json.loads((tmp_path / "result_1.json").read_text()) == {}
    assert [path.name for path in tmp_path.glob("converted_by_*")] == ["converted_by_0"]


def test_ap50_per_class_is_that_of_pycocotools_on_this_class_alone(tmp_path):
    rng = np.random.default_rng(1)
    painted = {}
    for frame in range(6):
        corners = rng.integers(0, (WIDTH - 20, HEIGHT - 20), size=(12, 2))
        kinds = rng.choice([24, 26, 33], size=12)
        painted[f"city_{frame:06}_000019"] = tuple(
            (int(kind) * 1000 + number, x, y, x + 14, y + 12)
            for number, (kind, (x, y)) in enumerate(zip(kinds, corners, strict=True))
        )
    register(write_cityscapes_tree(tmp_path / "city", painted=painted))
    out = tmp_path / "out"
    evaluator = coco_evaluator(NAME, str(out))
    result = scores(evaluator, lambda record: disturbed(record, rng))

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(out / f"{NAME}_coco_format.json"))
        official = COCOeval(truth, truth.loadRes(str(out / "coco_instances_results.json")), "bbox")
        for name, category in (("person", 0), ("car", 2), ("bicycle", 7)):
            official.params.catIds = [category]
            official.evaluate()
            official.accumulate()
            official.summarize()
            ap, ap50 = 100 * official.stats[:2]
            assert 5 < ap50 < 95 and ap50 - ap > 5
            assert result[f"AP50-{name}"] == pytest.approx(ap50)
            assert result[f"AP-{name}"] == pytest.approx(ap)
    known = [result[key] for key in result if key.startswith("AP50-")]
    assert result["AP50"] == pytest.approx(np.nanmean(known))


def test_a_coco_folder_is_evaluated_on_its_own_file(tmp_path):
    """Areas of 50 pixels make both boxes small, which by the area of the box they are not."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (100, 100)).save(tmp_path / "images" / "a.jpg")
    boxes = [
        {"id": i, "image_id": 1, "category_id": i, "bbox": [i, i, 80, 80], "area": 50, "iscrowd": 0}
        for i in (1, 2)
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 100, "width": 100}],
        "annotations": boxes,
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "tram"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    register_coco_folder(NAME, str(tmp_path / "boxes.json"), str(tmp_path / "images"))
    result = scores(coco_evaluator(NAME, str(tmp_path / "out")), perfect)
    assert result["AP50-dog"] == result["AP50-tram"] == pytest.approx(100)
    assert result["APs"] == pytest.approx(100) and np.isnan(result["APm"])


def test_no_detections_is_the_frameworks_nan(tmp_path):
    register(write_cityscapes_tree(tmp_path / "city"))
    nothing = scores(coco_evaluator(NAME, str(tmp_path / "out")), lambda _: instances([], [], []))
    assert np.isnan(nothing["AP50"])
    metric, domains = read_stamps(tmp_path / "out")
    assert metric == "AP50" and np.isnan(domains[NAME])


def test_the_stamp_counts_what_was_scored(tmp_path):
    register(write_cityscapes_tree(tmp_path / "city"))
    result = scores(coco_evaluator(NAME, str(tmp_path / "out")), perfect)
    stamp = json.loads((tmp_path / "out" / f"{NAME}_stamp.json").read_text())
    (dataset,) = stamp["datasets"]
    # In PAINTED by hand: persons, cars, bicycle, train, rider that are wide enough; three groups.
    assert (dataset["images"], dataset["boxes"], dataset["groups"]) == (3, 6, 3)
    assert dataset["classes"] == list(THING_CLASSES)
    assert dataset["folder"] == str(tmp_path / "city")
    assert stamp["scores"]["bbox"]["AP50-car"] == result["AP50-car"]
    assert read_stamps(tmp_path / "out") == ("AP50", {NAME: result["AP50"]})
    # Nobody said which weights these are, and none are made up.
    assert stamp["checkpoint"] == {"file": None, "sha256": None, "iteration": None}
    assert stamp["seed"] is stamp["image_size"] is stamp["test_time_augmentation"] is None
    assert stamp["network"] is None
    assert stamp["versions"]["torch"] == torch.__version__
    assert stamp["versions"]["pycocotools"] == importlib.metadata.version("pycocotools")


@pytest.mark.parametrize(
    ("iteration", "expected"),
    [(1, "model_0000001.pth"), (2, None), (3, "model_final.pth"), (4, "model_final.pth")],
)
def test_the_stamp_names_the_checkpoint_of_this_iteration(tmp_path, iteration, expected):
    """Of a run of 4; a final checkpoint that lies there from an earlier run is not this one's."""
    for name in ("model_0000001.pth", "model_final.pth"):
        (tmp_path / name).write_bytes(name.encode())
    run = Run(str(tmp_path), weights="", max_iter=4)
    with EventStorage(iteration):
        checkpoint = stamp_of("camvid_day_val", {"images": []}, run, {})["checkpoint"]
    assert checkpoint["iteration"] == min(iteration + 1, 4)
    assert checkpoint["file"] == (expected and str(tmp_path / expected))
    expected_hash = expected and hashlib.sha256(expected.encode()).hexdigest()
    assert checkpoint["sha256"] == expected_hash


def test_the_stamp_names_no_checkpoint_of_an_earlier_run(tmp_path):
    (tmp_path / "model_0000001.pth").write_bytes(b"of a run with another period")
    run = Run(str(tmp_path), weights="", max_iter=4, checkpoint_period=3)
    with EventStorage(1):
        checkpoint = stamp_of("camvid_day_val", {"images": []}, run, {})["checkpoint"]
    assert checkpoint == {"file": None, "sha256": None, "iteration": 2}


def test_the_stamp_hashes_weights_that_are_named_with_a_query(tmp_path):
    (tmp_path / "r50.pth").write_bytes(b"weights")
    run = Run(str(tmp_path), weights=f"{tmp_path}/r50.pth?matching_heuristics=True", max_iter=4)
    checkpoint = stamp_of("camvid_day_val", {"images": []}, run, {})["checkpoint"]
    assert checkpoint["file"] == f"{tmp_path}/r50.pth"
    assert checkpoint["sha256"] == hashlib.sha256(b"weights").hexdigest()


def test_the_stamp_has_the_median_style_distance_of_the_images(tmp_path):
    register(write_cityscapes_tree(tmp_path / "city"))
    distances = iter([9.0, 9.0, 9.0, 0.5, 4.0, 0.7])  # of two evaluations

    def detect(record):
        return {**perfect(record), "style_distance": {"res2.snr": torch.tensor(next(distances))}}

    evaluator = coco_evaluator(NAME, str(tmp_path / "out"))
    scores(evaluator, detect)
    scores(evaluator, detect)
    stamp = json.loads((tmp_path / "out" / f"{NAME}_stamp.json").read_text())
    assert stamp["style_distance"] == {NAME: {"res2.snr": pytest.approx(0.7)}}
    assert f"style distance of {NAME}: res2.snr 0.70" in summary(stamp)
