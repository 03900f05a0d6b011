"""Perfect detections of any dataset that is accepted score AP50 100, whatever its files hold."""

from __future__ import annotations

import json
import re
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


# Letters of several scripts, blanks and dots; not what a file name may not have.
LETTERS = st.text("ab Z9_.é車ø", min_size=1, max_size=6).filter(lambda text: text.strip(" ."))
WHOLE = st.one_of(st.integers(-3, 12), st.integers(-(2**70), 2**70))


def crossing(width: int, height: int) -> st.SearchStrategy:
    """Boxes cut by the border, which are clipped; none fits in the image as two corners."""
    return st.sampled_from(
        [
            [-9, 1, width, 4],
            [1, -9, 4, height],
            [width - 4, 1, width + 9, 4],
            [1.5, height - 4, 4, height + 9],
        ]
    )


EMPTY = st.sampled_from([[2, 2, 0, 5], [2, 2, 5, 0], [0, 0, 0, 0]])  # left out
MASKS = st.sampled_from(
    [None, [], [[]], [[1, 1, 5, 5]], {}, [[1, 1, 5, 1, 5, 5]], [1, 1, 5, 1, 5, 5], {"size": [1]}]
)


@st.composite
def images_of_coco(draw) -> list[dict]:
    """Entries with their right sizes; ids of one kind or of both, files in folders or not."""
    ids = draw(st.lists(st.one_of(WHOLE, LETTERS), min_size=1, max_size=3, unique_by=str))
    entries = []
    for index, id_ in enumerate(ids):
        name = f"{draw(st.sampled_from(['', 'a b/', 'é/', 'c' + chr(92)]))}{draw(LETTERS)}{index}"
        size = {"height": draw(st.integers(16, 64)), "width": draw(st.integers(16, 64))}
        entries.append({"id": id_, "file_name": f"{name}.png", **size})
    return entries


@st.composite
def coco_files(draw) -> tuple[dict, int]:
    """A valid COCO file in the manner of many converters, and its number of single boxes."""
    images = draw(images_of_coco())
    category_ids = draw(st.lists(WHOLE, min_size=1, max_size=4, unique=True))
    ids = draw(st.sampled_from([(0, 1), (1, 1), (5, 3), (7, 0), (-3, 1), (2**60, 1)]))
    annotations, singles = [], 0
    for number in range(draw(st.integers(0, 8))):
        image = draw(st.sampled_from(images))
        size = image["width"], image["height"]
        kind = draw(st.sampled_from([boxes_within(*size)] * 4 + [crossing(*size), EMPTY]))
        others = [a["bbox"] for a in annotations if a["image_id"] == image["id"]]
        again = others and kind is not EMPTY and draw(st.booleans())  # one upon the other
        box = draw(st.sampled_from(others)) if again else draw(kind)
        entry = {
            "id": draw(as_text_or_not(ids[0] + number * ids[1])),
            "image_id": image["id"],
            "category_id": draw(as_text_or_not(draw(st.sampled_from(category_ids)))),
            "bbox": [str(part) for part in box] if draw(st.booleans()) else box,
        }
        entry |= draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "iscrowd": st.sampled_from([0, 1, "0", "1", False, True, None]),
                    "area": st.sampled_from([None, 0, 9, "9.5", 1e13]),
                    "segmentation": MASKS,
                },
            )
        )
        is_empty = not min(float(part) for part in box[2:])
        singles += entry.get("iscrowd") in (0, "0", None) and not is_empty
        annotations.append(entry)
    categories = [{"id": id_, "name": f"class {id_}"} for id_ in category_ids]
    return {"images": images, "annotations": annotations, "categories": categories}, singles


def as_written(image: dict, size: str) -> dict:
    """An entry with its size as some write it."""
    shown = {"number": int, "text": str, "float": float}.get(size)
    sizes = {k: shown(image[k]) if shown else None for k in ("height", "width")}
    return {**image, **sizes}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    coco_files(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["number", "text", "float", "missing"]),
)
def test_of_any_valid_coco_file(file, encoding, size):
    content, singles = file
    forget()
    with tempfile.TemporaryDirectory() as folder:
        for image in content["images"]:
            path = Path(folder, image["file_name"].replace("\\", "/"))
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (image["width"], image["height"])).save(path)
        written = {**content, "images": [as_written(image, size) for image in content["images"]]}
        text = json.dumps(written, ensure_ascii=False)
        Path(folder, "boxes.json").write_text(text, encoding=encoding)
        register_coco_folder(NAME, f"{folder}/boxes.json", folder)
        assert len(DatasetCatalog.get(NAME)) == len(content["images"])
        ap50, scored = score(NAME, f"{folder}/out")
        assert scored == singles  # no box is lost
        assert not singles or ap50 == pytest.approx(100)
        # and by an evaluator that another launcher makes
        stock = COCOEvaluator(NAME, output_dir=f"{folder}/stock")
        assert not singles or score(NAME, "", stock)[0] == pytest.approx(100)


def voc_boxes() -> st.SearchStrategy:
    """xmin, ymin, xmax, ymax, counted from 1, the last ones included; some cut by the border."""
    columns = st.lists(st.integers(1, WIDTH), min_size=2, max_size=2).map(sorted)
    rows = st.lists(st.integers(1, HEIGHT), min_size=2, max_size=2).map(sorted)
    beyond = st.sampled_from([(0, 0, 0, 0), (-WIDTH, 0, 0, 0), (0, 0, 0, HEIGHT)])
    half = st.sampled_from([0, 0.5])
    return st.tuples(columns, rows, beyond, half).map(
        lambda p: (
            p[0][0] + p[2][0],
            p[1][0] + p[2][1],
            p[0][1] + 1 + p[2][2] + p[3],
            p[1][1] + 1 + p[2][3] + p[3],
        )
    )


NAMES = st.sampled_from(["car", " car\n", "person", "Car", "véhicule"])
SIZES = [
    "",
    "<size/>",
    "<size><width>0</width><height>0</height></size>",
    f"<size><width>{WIDTH}</width><height>{HEIGHT}.0</height></size>",
]
EXTRAS = ["", "<difficult>1</difficult>", "<part><name>car</name><bndbox/></part>"]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(st.tuples(NAMES, voc_boxes()), max_size=5), min_size=1, max_size=3),
    st.sampled_from(SIZES),
    st.sampled_from(EXTRAS),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_of_any_valid_voc_file(frames, size, extra, encoding):
    forget()
    with tempfile.TemporaryDirectory() as folder:
        objects = {f"{index:07}": tuple(entries) for index, entries in enumerate(frames)}
        root = write_sim10k_tree(Path(folder, "sim10k"), objects)
        for path in root.glob("VOC2012/Annotations/*.xml"):
            text = path.read_text().replace("</name>", f"</name>{extra}")
            text = re.sub("<size>.*</size>", size, text)
            path.write_text(text, encoding=encoding)
        register_datasets(folder)
        cars = sum(name.strip().lower() == "car" for entries in frames for name, _ in entries)
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
