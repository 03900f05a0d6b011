"""BDD100K's boxes: both label files, times of day, and faults by name."""

from __future__ import annotations

import json

import pytest

from snr_plugins.data.bdd100k import BDD100K_CLASSES, read_bdd100k
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError
from tests.field_trees import BDD_FRAMES, HEIGHT, WIDTH, bdd_labels, write_bdd100k

NEW, OLD = LAYOUTS["bdd100k"], LAYOUTS["bdd100k_2018"]


def boxes(record: dict) -> list:
    return [
        (BDD100K_CLASSES[a["category_id"]], a["bbox"], a["iscrowd"]) for a in record["annotations"]
    ]


def test_boxes_of_2020_by_hand(tmp_path):
    first, second, third = read_bdd100k(NEW, write_bdd100k(tmp_path), "val")
    assert (first["image_id"], first["height"], first["width"]) == (
        "b1c66a42-6f7d68ca",
        HEIGHT,
        WIDTH,
    )
    assert boxes(first) == [
        ("car", [1.5, 2.25, 20, 12], 0),
        ("person", [30, 4, 36, 20], 0),
        ("car", [40, 4, 50, 20], 1),  # "other vehicle": neither right nor wrong
    ]
    assert first["annotations"][0]["area"] == 18.5 * 9.75
    assert boxes(second) == [("bicycle", [10, 10, 30, 30], 0)]
    assert third["annotations"] == []


def test_boxes_of_2018_have_other_names_and_no_groups(tmp_path):
    first, second, _ = read_bdd100k(OLD, write_bdd100k(tmp_path), "val")
    assert [name for name, _, _ in boxes(first)] == ["car", "person", "car"]
    assert not any(is_group for _, _, is_group in boxes(first))
    assert [name for name, _, _ in boxes(second)] == ["bicycle"]


@pytest.mark.parametrize("layout", [NEW, OLD], ids=["2020", "2018"])
@pytest.mark.parametrize(("time", "count"), [("daytime", 2), ("night", 1), (None, 3)])
def test_times_of_day(tmp_path, layout, time, count):
    root = write_bdd100k(tmp_path, "train")
    assert len(read_bdd100k(layout, root, "train", time_of_day=time)) == count


def test_a_list_within_frames_and_a_crowd(tmp_path):
    root = write_bdd100k(tmp_path)
    frames = bdd_labels()
    frames[0]["labels"][0]["attributes"]["crowd"] = True
    (root / "labels/det_20/det_val.json").write_text(json.dumps({"frames": frames}))
    assert boxes(read_bdd100k(NEW, root, "val")[0])[0] == ("car", [1.5, 2.25, 20, 12], 1)


def in_label(key: str, value: object):
    def change(frames: list) -> None:
        frames[0]["labels"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_label("category", "tricycle"), r"frames\[0\] \(b1c.*labels\[0\] has the category 'tri"),
        (in_label("box2d", {"x1": 1}), r"frames\[0\] is not of BDD100K's form \(KeyError\('y1'"),
        (
            in_label("box2d", {"x1": 9, "y1": 1, "x2": 3, "y2": 9}),
            r"labels\[0\] \(car\) has the box 9 1 3 9 .*right or bottom before",
        ),
        (lambda frames: frames[1].pop("name"), r"frames\[1\] is not of BDD100K's form"),
        (lambda frames: frames.append(frames[0]), r"frames\[3\] repeats b1c66a42-6f7d68ca.jpg"),
        (
            lambda frames: frames[0].update(name="gone.jpg"),
            r"det_val.json lists gone.jpg, which is not in .*images/100k/val",
        ),
    ],
)
def test_faults_are_named(tmp_path, change, message):
    root = write_bdd100k(tmp_path)
    frames = bdd_labels()
    change(frames)
    (root / "labels/det_20/det_val.json").write_text(json.dumps(frames))
    with pytest.raises(InputError, match=message):
        read_bdd100k(NEW, root, "val")


def test_missing_files_and_times(tmp_path):
    with pytest.raises(InputError, match="images/100k/val does not exist: unpack it"):
        read_bdd100k(NEW, tmp_path, "val", hint="unpack it")
    root = write_bdd100k(tmp_path, frames={"a": BDD_FRAMES["b1c66a42-6f7d68ca"]})
    with pytest.raises(InputError, match="has no frame with the time of day night"):
        read_bdd100k(NEW, root, "val", time_of_day="night")
    path = root / "labels/det_20/det_val.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="det_val.json is no list of frames"):
        read_bdd100k(NEW, root, "val")
    path.unlink()
    with pytest.raises(InputError, match="det_val.json does not exist: unpack it"):
        read_bdd100k(NEW, root, "val", hint="unpack it")
