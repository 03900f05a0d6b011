"""Perfect detections of any dataset that is accepted score AP50 100, whatever its files hold."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip("detectron2")
pytest.importorskip("hypothesis")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import COCOEvaluator
from detectron2.structures import Boxes, BoxMode, Instances
from hypothesis import given, settings
from hypothesis import strategies as st

from snr_plugins.detection.datasets import register_coco_folder, register_datasets
from snr_plugins.detection.evaluation import coco_evaluator
from tests.trees import HEIGHT, WIDTH, write_sim10k_tree

NAME = "test_perfect"


pytestmark = pytest.mark.usefixtures("own_catalogue")


def forget() -> None:
    for name in [name for name in DatasetCatalog if name == NAME or name == "sim10k_car_train"]:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def perfect(record: dict) -> dict:
    singles = [a for a in record["annotations"] if not a.get("iscrowd")]
    boxes = [BoxMode.convert(list(a["bbox"]), a["bbox_mode"], BoxMode.XYXY_ABS) for a in singles]
    found = Instances((record["height"], record["width"]))
    found.pred_boxes = Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    found.scores = torch.full((len(singles),), 0.9)
    found.pred_classes = torch.tensor([a["category_id"] for a in singles], dtype=torch.int64)
    return {"instances": found}


def score(name: str, out: str, evaluator=None) -> tuple[float, int]:
    """AP50, and the number of boxes that are no groups."""
    records = DatasetCatalog.get(name)
    evaluator = evaluator or coco_evaluator(name, out)
    evaluator.reset()
    for record in records:
        evaluator.process([record], [perfect(record)])
    singles = [a for r in records for a in r["annotations"] if not a.get("iscrowd")]
    results = evaluator.evaluate()
    return (results["bbox"]["AP50"] if "bbox" in results else float("nan")), len(singles)


def as_text_or_not(value: int) -> st.SearchStrategy:
    return st.sampled_from([value, value, value, str(value), float(value)])


def boxes_within(width: int, height: int) -> st.SearchStrategy:
    """x, y, width, height of at least two pixels, in quarters of a pixel."""
    return st.tuples(
        st.integers(0, 4 * (width - 2)),
        st.integers(0, 4 * (height - 2)),
        st.integers(8, 4 * width),
        st.integers(8, 4 * height),
    ).map(
        lambda box: [
            box[0] / 4,
            box[1] / 4,
            min(box[2], 4 * width - box[0]) / 4,
            min(box[3], 4 * height - box[1]) / 4,
        ]
    )


@st.composite
def coco_files(draw) -> tuple[dict, int]:
    """A valid COCO file in the manner of many converters, and its number of single boxes."""
    image_ids = draw(st.lists(st.integers(0, 10**12), min_size=1, max_size=3, unique=True))
    category_ids = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=4, unique=True))
    ids = draw(st.sampled_from([(0, 1), (1, 1), (5, 3), (7, 0), (-3, 1)]))
    sizes = {id_: (draw(st.integers(8, 64)), draw(st.integers(8, 64))) for id_ in image_ids}
    annotations, singles = [], 0
    for number in range(draw(st.integers(1, 8))):
        image_id = draw(st.sampled_from(image_ids))
        width, height = sizes[image_id]
        entry = {
            "id": draw(as_text_or_not(ids[0] + number * ids[1])),
            "image_id": draw(as_text_or_not(image_id)),
            "category_id": draw(as_text_or_not(draw(st.sampled_from(category_ids)))),
            "bbox": draw(boxes_within(width, height)),
        }
        entry |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "iscrowd": st.sampled_from([0, 1, "0", "1", False, True, None]),
                    "area": st.sampled_from([None, 9, "9.5", 1e13]),
                    "segmentation": st.sampled_from([None, [], [[]], [[1, 1, 5, 5]], {}]),
                },
            )
        )
        singles += entry.get("iscrowd") in (0, "0", None)
        annotations.append(entry)
    images = [
        {"id": id_, "file_name": f"{id_}.png", "width": width, "height": height}
        for id_, (width, height) in sizes.items()
    ]
    categories = [{"id": id_, "name": f"class {id_}"} for id_ in category_ids]
    return {"images": images, "annotations": annotations, "categories": categories}, singles


@settings(max_examples=40, deadline=None, derandomize=True)
@given(coco_files())
def test_of_any_valid_coco_file(file):
    content, singles = file
    forget()
    with tempfile.TemporaryDirectory() as folder:
        for image in content["images"]:
            size = (image["width"], image["height"])
            Image.new("RGB", size).save(Path(folder, image["file_name"]))
        Path(folder, "boxes.json").write_text(json.dumps(content))
        register_coco_folder(NAME, f"{folder}/boxes.json", folder)
        ap50, scored = score(NAME, f"{folder}/out")
        assert scored == singles  # no box is lost
        assert not singles or ap50 == pytest.approx(100)
        # and by an evaluator that another launcher makes
        stock = COCOEvaluator(NAME, output_dir=f"{folder}/stock")
        assert not singles or score(NAME, "", stock)[0] == pytest.approx(100)


def voc_boxes() -> st.SearchStrategy:
    """xmin, ymin, xmax, ymax, counted from 1, the last ones included."""
    columns = st.lists(st.integers(1, WIDTH), min_size=2, max_size=2).map(sorted)
    rows = st.lists(st.integers(1, HEIGHT), min_size=2, max_size=2).map(sorted)
    return st.tuples(columns, rows).map(lambda p: (p[0][0], p[1][0], p[0][1], p[1][1]))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["car", "person"]), voc_boxes()), max_size=5),
        min_size=1,
        max_size=3,
    )
)
def test_of_any_valid_voc_file(frames):
    forget()
    with tempfile.TemporaryDirectory() as folder:
        objects = {f"{index:07}": tuple(entries) for index, entries in enumerate(frames)}
        write_sim10k_tree(Path(folder, "sim10k"), objects)
        register_datasets(folder)
        cars = sum(name == "car" for entries in frames for name, _ in entries)
        if not cars:
            assert not any(r["annotations"] for r in DatasetCatalog.get("sim10k_car_train"))
            return
        ap50, scored = score("sim10k_car_train", f"{folder}/out")
        assert scored == cars
        assert ap50 == pytest.approx(100)


def test_a_stock_evaluator_made_first_reads_the_mended_file(tmp_path):
    """Ids from 0: left alone, the COCO API takes the first box for a miss."""
    boxes = [[2, 2, 9, 9], [20, 20, 9, 9]]
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 30} for i in (0, 1)],
        "categories": [{"id": 0, "name": "car"}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 0, "bbox": box} for i, box in enumerate(boxes)
        ],
    }
    for image in content["images"]:
        Image.new("RGB", (40, 30)).save(tmp_path / image["file_name"])
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    register_coco_folder(NAME, str(tmp_path / "boxes.json"), str(tmp_path))
    before = (tmp_path / "boxes.json").read_bytes()
    ours = coco_evaluator(NAME, str(tmp_path / "out"))
    assert score(NAME, "", ours)[0] == pytest.approx(100)
    DatasetCatalog.remove(NAME)
    MetadataCatalog.remove(NAME)
    register_coco_folder(NAME, str(tmp_path / "boxes.json"), str(tmp_path))
    stock = COCOEvaluator(NAME, output_dir=str(tmp_path / "stock"))
    assert score(NAME, "", stock)[0] == pytest.approx(100)
    assert (tmp_path / "boxes.json").read_bytes() == before
