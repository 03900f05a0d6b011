"""A COCO file: taken where the meaning is sure, else refused by entry; all faults at once."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snr_plugins.data.coco import Coco, read_coco
from snr_plugins.errors import InputError

BOX = {"id": 7, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 20], "area": 150, "iscrowd": 0}
CONTENT = {
    "images": [
        {"id": 1, "file_name": "a.jpg", "height": 30, "width": 40},
        {"id": 2, "file_name": "b.jpg", "height": 30, "width": 40},
    ],
    "annotations": [BOX],
    "categories": [{"id": 9, "name": "tram"}, {"id": 5, "name": "dog"}],
}


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    return tmp_path


def read(folder: Path, content: object, encoding: str = "utf-8", **options) -> Coco:
    (folder / "boxes.json").write_text(json.dumps(content), encoding=encoding)
    return read_coco(folder / "boxes.json", folder, **options)


def changed(kind: str, index: int = 0, **fields) -> dict:
    """CONTENT with fields of one entry changed; ``...`` removes one."""
    content = copy.deepcopy(CONTENT)
    entry = content[kind][index]
    entry.update(fields)
    content[kind][index] = {key: value for key, value in entry.items() if value is not ...}
    return content


def with_boxes(*boxes: list) -> dict:
    entries = [{**BOX, "id": index, "bbox": box} for index, box in enumerate(boxes, 1)]
    return {**CONTENT, "annotations": entries}


def test_a_good_file_is_its_own_content(folder):
    coco = read(folder, CONTENT)
    assert coco.content == CONTENT and not coco.mends


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("annotations", {"iscrowd": "0"}, {}),
        ("annotations", {"iscrowd": "1"}, {"iscrowd": 1}),
        ("annotations", {"iscrowd": True}, {"iscrowd": 1}),
        ("annotations", {"iscrowd": None}, {}),
        ("annotations", {"iscrowd": ...}, {}),
        ("annotations", {"ignore": None}, {"ignore": ...}),
        ("annotations", {"ignore": "0"}, {"ignore": ...}),
        ("annotations", {"ignore": "false"}, {"ignore": ...}),
        ("annotations", {"area": None}, {"area": 200}),
        ("annotations", {"area": ...}, {"area": 200}),
        ("annotations", {"area": float("nan")}, {"area": 200}),
        ("annotations", {"area": 1e12}, {"area": 200}),  # beyond COCO's largest range
        ("annotations", {"area": "150.0"}, {}),
        ("annotations", {"bbox": ["1", "2.0", 10, 20]}, {}),
        ("annotations", {"image_id": "1", "category_id": "5"}, {}),
        ("annotations", {"category_id": 5.0}, {}),
        ("annotations", {"id": 0}, {"id": 1}),  # the COCO API takes 0 for "not matched"
        ("annotations", {"id": "7"}, {"id": 1}),
        ("annotations", {"id": ...}, {"id": 1}),
        ("annotations", {"id": 2**70}, {"id": 1}),
        ("annotations", {"segmentation": [[]]}, {"segmentation": ...}),
        ("annotations", {"segmentation": [[1, 2, 3, 4]]}, {"segmentation": ...}),
        (
            "annotations",
            {"segmentation": [[1, 2, 3, 4], [1, 2, 9, 2, 9, 9]]},
            {"segmentation": [[1, 2, 9, 2, 9, 9]]},
        ),
        # one polygon without the outer list, as points, as text; runs of another image
        *(
            ("annotations", {"segmentation": mask}, {"segmentation": [[1, 2, 9, 2, 9, 9]]})
            for mask in (
                [1, 2, 9, 2, 9, 9],
                [[[1, 2], [9, 2], [9, 9]]],
                [["1", "2", "9", "2", "9.0", "9"]],
            )
        ),
        (
            "annotations",
            {"segmentation": {"size": [10, 10], "counts": [0, 100]}},
            {"segmentation": ...},
        ),
        ("images", {"height": "30", "width": "40"}, {}),
        ("images", {"height": 30.0}, {}),
        ("images", {"height": None, "width": ...}, {}),
        ("images", {"id": "1"}, {}),
        ("images", {"file_name": ".\\a.jpg"}, {"file_name": "./a.jpg"}),  # of Windows
        ("categories", {"id": "9"}, {}),
    ],
)
def test_what_is_sure_is_mended(folder, kind, given, expected):
    coco = read(folder, changed(kind, **given))
    assert coco.content == changed(kind, **expected)
    # and in the types that frameworks ask for, of which 1 == True == 1.0 says nothing
    types = {key: type(value) for key, value in coco.content[kind][0].items()}
    assert all(types[k] is int for k in ("id", "height", "width", "iscrowd") if k in types)
    assert coco.mends


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_read_over(folder, encoding):
    coco = read(folder, CONTENT, encoding)
    assert coco.content == CONTENT
    assert "byte order mark" in coco.mends.sentences()[0] or "utf-16" in coco.mends.sentences()[0]


def test_image_ids_may_be_words(folder):
    content = changed("images", 1, id="second")
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = "first"
    coco = read(folder, content)
    assert coco.content == content and not coco.mends
    # beside numbers all become words: Detectron2 sorts them
    mixed = read(folder, changed("images", 1, id="second"))
    assert [image["id"] for image in mixed.content["images"]] == ["1", "second"]
    assert mixed.content["annotations"] == [{**BOX, "image_id": "1"}]
    assert "numbers and words" in mixed.mends.sentences()[0]


@pytest.mark.parametrize(
    "ids", [("1_23", "12_3"), ("20230101_120000_000001", "20230101_120000_000002"), ("12e3", "1e4")]
)
def test_words_that_python_takes_for_numbers_stay_words(folder, ids):
    content = changed("images", 1, id=ids[1])
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = ids[0]
    coco = read(folder, content)
    assert coco.content == content and not coco.mends


def test_image_ids_of_64_bits_become_words(folder):
    """The COCO API would round them where some need the last bit."""
    content = changed("images", 1, id=2**63 + 1)
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = 5
    coco = read(folder, content)
    assert [image["id"] for image in coco.content["images"]] == ["5", str(2**63 + 1)]
    assert "more than 63 bits" in coco.mends.sentences()[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed("categories", name=None), r"categories\[0\] has the name None"),
        (changed("categories", name="dog"), r"categories\[1\] repeats the name 'dog' of categ"),
        (changed("categories", name="dog "), r"categories\[1\] repeats the name 'dog'"),
        (changed("categories", id=5), r"categories\[1\] repeats the id 5 of categories\[0\]"),
        (changed("categories", id=True), r"categories\[0\] has the id True"),
        (changed("images", id=None), r"images\[0\] has the id None"),
        (changed("images", id="2"), r"images\[1\] repeats the id 2 of images\[0\]"),
        (changed("images", file_name=None), r"images\[0\] has the file_name None"),
        (changed("images", file_name="./b.jpg"), r"images\[1\] repeats the file_name 'b.jpg'"),
        (changed("images", height="tall"), r"images\[0\] says that it is 40xtall pixels"),
        (changed("images", height=40, width=30), r"images\[0\] says that it is 30x40 .* is 40x30"),
        (changed("annotations", iscrowd="maybe"), r"annotations\[0\] has iscrowd 'maybe'"),
        (changed("annotations", iscrowd=2), r"annotations\[0\] has iscrowd 2"),
        (changed("annotations", ignore="1"), r"annotations\[0\] is marked 'ignore'"),
        (changed("annotations", image_id=[1]), r"annotations\[0\] names the image \[1\]"),
        (changed("annotations", bbox=["1", "x", 3, 4]), r"annotations\[0\] has the box"),
        (changed("annotations", bbox=[1, 2, float("inf"), 4]), r"annotations\[0\] has the box"),
        (with_boxes([0.1, 0.2, 0.5, 0.5]), r"\[0\] .* which are fractions of the image"),
        (with_boxes([1, 2, 3, 4], [0.1, 0.2, 1, 0.5]), r"\[1\] .* which are fractions"),
        (with_boxes([0, 0, 1, 1]), r"\[0\] .* which are fractions of the image"),
        (with_boxes([0.2, 0.2, 0.005, 0.005]), r"\[0\] .* which are fractions of the image"),
        (with_boxes([20, 10, 38, 28]), r"\[0\] .* fits in it as two corners"),
        (with_boxes([2, 1, 9, 9], [9, 9, 36, 28]), r"\[1\] .* fits in it as two corners"),
        (with_boxes([50, 50, 20, 20]), r"\[0\] has the box 50 50 70 70 .*wholly outside"),
        (with_boxes([-20, 5, 20, 20]), r"\[0\] has the box -20 5 0 25 .*wholly outside"),
        ({**CONTENT, "annotations": [None]}, r"annotations\[0\] lacks image_id"),
    ],
)
def test_what_is_not_sure_is_refused_by_entry(folder, content, message):
    with pytest.raises(InputError, match=rf"boxes\.json: .*{message}"):
        read(folder, content)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        # rounding: as it stands
        ([[-1.5, 0, 10, 31.5]], [[-1.5, 0, 10, 31.5]]),
        # cut by the border of the image
        ([[30, -10, 20, 20]], [[30, 0, 10, 10]]),
        # one reaches out and would fit as corners; the others are no corners
        ([[20, 10, 25, 12], [20, 20, 5, 5]], [[20, 10, 20, 12], [20, 20, 5, 5]]),
        # no width or no height, as one box of COCO's own train2017 has
        ([[5, 5, 0, 9], [5, 5, 9, 0], [1, 2, 3, 4]], [[1, 2, 3, 4]]),
        # a pixel in the corner, beside boxes in pixels
        ([[0, 0, 1, 1], [1, 2, 3, 4]], [[0, 0, 1, 1], [1, 2, 3, 4]]),
    ],
)
def test_boxes_at_the_border(folder, boxes, expected):
    coco = read(folder, with_boxes(*boxes))
    assert [entry["bbox"] for entry in coco.content["annotations"]] == expected
    assert bool(coco.mends) == (boxes != expected)


def test_a_turned_photograph_needs_boxes_on_the_turned_image(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(folder / "a.jpg", exif=exif)
    with pytest.raises(InputError, match=r"images\[0\] .* that is turned to 30x40 as its EXIF"):
        read(folder, CONTENT)
    turned = changed("images", height=40, width=30)
    assert read(folder, turned).content == turned


def test_masks_leave_out_boxes_without_one(folder):
    content = with_boxes([1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4])
    content["annotations"][0]["segmentation"] = [[1, 2, 3, 4]]
    content["annotations"][1]["segmentation"] = [[1, 2, 4, 2, 4, 6]]
    kept = read(folder, content, masks=True).content["annotations"]
    assert kept == [content["annotations"][1]]
    assert len(read(folder, content).content["annotations"]) == 3


def test_a_crowd_without_a_mask_has_its_box_as_one(folder):
    """Found masks in a crowd are neither right nor wrong, as are boxes."""
    mask_utils = pytest.importorskip("pycocotools.mask")
    content = with_boxes([1, 2, 10, 20])
    content["annotations"][0]["iscrowd"] = 1
    coco = read(folder, content, masks=True)
    (crowd,) = coco.content["annotations"]
    (encoded,) = mask_utils.frPyObjects(crowd["segmentation"], 30, 40)
    expected = np.zeros((30, 40), np.uint8)
    expected[2:22, 1:11] = 1
    assert (mask_utils.decode(encoded) == expected).all()
    assert "its box became one" in coco.mends.sentences()[0]
    assert "segmentation" not in read(folder, content).content["annotations"][0]


def test_all_faults_are_listed_and_the_rest_is_read(folder):
    content = with_boxes([0.1, 0.2, 0.5, 0.5], [1, 2, 3, 4], [50, 50, 20, 20], [1, 2, -3, 4])
    faults: list[str] = []
    coco = read(folder, content, faults=faults)
    assert [entry["bbox"] for entry in coco.content["annotations"]] == [[1, 2, 3, 4]]
    assert [fault.split(": ")[1].split()[0] for fault in faults] == [
        "annotations[3]",
        "annotations[0]",
        "annotations[2]",
    ]


def test_mends_are_logged_once_for_each_kind(folder, caplog):
    content = with_boxes([5, 5, 0, 9], [5, 5, 9, 0], [1, 2, 3, 4])
    coco = read(folder, content)
    coco.mends.log(folder / "boxes.json")
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{folder}/boxes.json: a box has no width or height and was left out, 2 in all (first: "
        "annotations[0])."
    )
