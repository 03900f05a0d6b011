"""Diverse Weather and RTTS: every nesting and spelling, boxes by hand, faults by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.names import DETECTION_DATASETS, DIVERSE_WEATHER_CLASSES
from snr_plugins.data.voc import read_voc, read_voc_file
from snr_plugins.errors import InputError
from tests.field_trees import OUTER, voc_xml, write_diverse_weather, write_rtts

WEATHER = LAYOUTS["diverse_weather"]
CATEGORIES = {name: index for index, name in enumerate(DIVERSE_WEATHER_CLASSES)}


def read(root: Path, split: str) -> list[dict]:
    return read_voc(WEATHER, root, split, CATEGORIES)


def boxes(record: dict) -> list:
    return [(a["category_id"], a["bbox"], a["iscrowd"]) for a in record["annotations"]]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "spelt", [str, lambda name: name.replace("_", "-"), str.title], ids=["_", "-", "Title"]
)
def test_diverse_weather_in_every_tree(tmp_path, nested, spelt):
    root = write_diverse_weather(tmp_path, nested, spelt)
    train, test = read(root, "daytime_clear/train"), read(root, "daytime_clear/test")
    assert [record["image_id"] for record in train] == ["a-1", "c-3"]
    assert [record["image_id"] for record in test] == ["rain_storm-2"]
    # -1 of VOC is two pixels outside: left to the frameworks, which clip it; fractions stay
    assert boxes(train[0]) == [(2, [-2, -2, 20.5, 18.25], 0), (3, [4, 5, 9, 12], 0)]
    assert train[1]["annotations"] == []
    assert boxes(test[0]) == [(0, [1, 2, 10, 12], 0)]
    for name in OUTER:
        if name != "daytime_clear":  # a target's train.txt has all
            assert len(read(root, f"{name}/train")) == 3


def test_a_list_that_does_not_fit_its_images_is_named(tmp_path):
    root = write_diverse_weather(tmp_path)
    names = root / "night_sunny/VOC2007/ImageSets/Main/train.txt"
    names.write_text("a-1\nd-4\n")
    with pytest.raises(InputError, match=r"1 of 2 frames .* no image in .*, the first .* d-4\.jpg"):
        read(root, "night_sunny/train")
    names.write_text("a-1\na-1\n")
    with pytest.raises(InputError, match=r"train\.txt names a-1 twice"):
        read(root, "night_sunny/train")
    names.write_text("\n")
    with pytest.raises(InputError, match=r"train\.txt is empty"):
        read(root, "night_sunny/train")
    names.unlink()
    with pytest.raises(InputError, match=r"train\.txt does not exist: check the path"):
        read(root, "night_sunny/train")


def test_boxes_that_a_converter_emptied_cost_a_line_in_the_log(tmp_path, caplog):
    objects = (("car", (9, 9, 8, 20)), ("bike", (1, 2, 3, 4)))
    record, _ = read(write_diverse_weather(tmp_path, objects=objects), "daytime_clear/train")
    assert [a["category_id"] for a in record["annotations"]] == [1]
    assert "a box without width or height was left out, 1 in all" in caplog.messages[0]
    assert "a-1.xml, object 1 (car)" in caplog.messages[0]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((20, 5, 10, 20), "right or bottom before left or top"),
        (("nan", 5, 20, 20), "give finite numbers"),
        ((200, 5, 220, 20), "wholly outside"),
    ],
)
def test_other_impossible_boxes_are_refused(tmp_path, box, reason):
    root = write_diverse_weather(tmp_path, objects=(("car", box),))
    with pytest.raises(InputError, match=rf"a-1\.xml, object 1 \(car\) has the box .*{reason}"):
        read(root, "night_rainy/train")


def test_what_a_loader_has_written_anew_is_known(tmp_path):
    objects = (("car", (1, 2, 3, 4)),)
    for name, text, rewritten in (
        ("archive", voc_xml(objects), False),
        ("other", voc_xml(objects, (64, 36)), False),
        ("written", voc_xml(objects, rewritten=True), True),
    ):
        path = tmp_path / f"{name}.xml"
        path.write_text(text)
        assert read_voc_file(path).is_rewritten == rewritten


def test_rtts_by_hand(tmp_path):
    categories = DETECTION_DATASETS["rtts_test"].categories
    (record,) = read_voc(LAYOUTS["rtts"], write_rtts(tmp_path), "test", categories)
    # person, car, bus, motorcycle, bicycle
    assert boxes(record) == [
        (0, [0, 0, 10, 20], 0),
        (3, [4, 5, 30, 30], 0),
        (4, [39, 5, 60, 30], 0),
    ]
