"""check_data on the sets that the field tests on today, by name and by folder."""

from __future__ import annotations

import json

import numpy as np

from tests.field_trees import (
    bdd_labels,
    voc_xml,
    write_acdc,
    write_bdd100k,
    write_bdd100k_seg,
    write_diverse_weather,
    write_mapillary,
    write_rtts,
)
from tests.tools.test_check_data import check


def row(*ids: int) -> np.ndarray:
    return np.array([ids], dtype=np.uint8)


def test_diverse_weather(tmp_path):
    root = write_diverse_weather(tmp_path / "anywhere", nested=True)
    report = check(root, "--any-count", code=0)
    assert report.count("nothing wrong") == 6
    assert "diverse_weather, daytime_clear/test, in " in report
    assert "1 of 8313 published" in report and "3 of 26158 published" in report
    assert "car 1, motor 1, traffic light 1, bus 1" in report
    assert "3 images, but 2494 are published (Wu, Deng" in check(root, code=1)
    write_diverse_weather(tmp_path / "diverseWeather", spelt=lambda name: name.replace("_", "-"))
    name = "diverse_weather_dusk_rainy_train"
    report = check(name, "--any-count", code=0, root=tmp_path)
    assert report.count("diverse_weather, dusk_rainy/train, in ") == 1


def test_faults_of_diverse_weather(tmp_path):
    root = write_diverse_weather(tmp_path)
    voc = root / "night_sunny" / "VOC2007"
    objects = (("car", (9, 9, 8, 20)), ("bus", (20, 1, 10, 9)), ("rider", (60, 1, 99, 9)))
    (voc / "Annotations" / "a-1.xml").write_text(voc_xml(objects, rewritten=True))
    (voc / "JPEGImages" / "c-3.jpg").unlink()
    report = check(root, "--any-count", code=1)
    assert "WRONG     label that a loader wrote anew: 1" in report
    assert "a-1.xml has lost what the archive's file has" in report
    assert "WRONG     listed image is missing: 1" in report and "c-3 of the split" in report
    assert "WRONG     impossible box: 1" in report and "object 2 (bus) has the box" in report
    assert "a box without width or height was left out, 1 in all" in report
    assert "a box reaches outside its image and was clipped, 1 in all" in report
    (voc / "ImageSets" / "Main" / "train.txt").unlink()
    report = check(root, "--any-count", code=1)
    assert "WRONG     list of the split: 1" in report and "night_sunny" in report


def test_bdd100k_boxes(tmp_path):
    root = write_bdd100k(tmp_path / "bdd100k")
    picture = tmp_path / "boxes.png"
    report = check(root, "--any-count", "--picture", picture, code=0)
    assert "bdd100k, val, in " in report and "bdd100k_2018, val, in " in report
    assert "3 of 10000 published, 3 labels" in report
    assert "car 1, person 1, car group 1, traffic sign 1, bicycle 1" in report
    assert picture.is_file() and picture.with_stem("boxes_2").is_file()
    report = check("bdd100k_daytime_val_2018", "--any-count", code=0, root=tmp_path)
    assert "bdd100k_2018, val" in report and "bdd100k, val" not in report


def test_faults_of_bdd100k_boxes(tmp_path):
    root = write_bdd100k(tmp_path)
    path = root / "labels/det_20/det_val.json"
    frames = bdd_labels()
    frames[0]["labels"][0]["box2d"]["x2"] = 0
    frames[1]["name"] = "gone.jpg"
    path.write_text(json.dumps(frames))
    report = check(root, "--any-count", code=1)
    assert "WRONG     impossible box: 1" in report and "labels[0] (car) has the box" in report
    assert "WRONG     label without image: 1" in report and "has gone, which is no image" in report
    assert "1 images are not in " in report and "(first: b1c81faa-3df17267)" in report
    path.write_text("[{}]")
    report = check(root, "--any-count", code=1)
    assert "WRONG     unreadable label: 1" in report and "frames[0] is not of BDD100K's" in report


def test_segmentation_sets(tmp_path):
    for tree in ("new", "old", "old, from within"):
        root = write_bdd100k_seg(tmp_path / tree, row(0, 18, 255, 255), tree)
        report = check(root, "--any-count", code=0)
        assert "bdd100k_seg, val, in " in report and "1 of 1000 published" in report
        assert "void 50 %" in report and "bicycle 25 %" in report
    write_bdd100k_seg(tmp_path / "new", row(0, 33, 255, 255))
    assert "7d06fefd-f7be05a6.png holds 33" in check(tmp_path / "new", "--any-count", code=1)
    for folder in ("labels", "v1.2/labels"):
        root = write_mapillary(tmp_path / folder, row(13, 65), folder)
        report = check(root, "--any-count", code=0)
        assert "mapillary, validation, in " in report and "road 50 %" in report
        assert "1 of 2000 published" in report
    for condition in ("fog", "night"):
        write_acdc(tmp_path / "acdc", condition, row(7, 0))
    report = check("acdc", "--any-count", code=1, root=tmp_path)
    assert "acdc, night/val, in " in report and "missing folder" in report
    report = check(tmp_path / "acdc", "--any-count", code=0)
    assert "1 of 106 published" in report and "1 of 100 published" in report


def test_labels_of_mapillary_v2_are_told(tmp_path):
    root = write_mapillary(tmp_path, row(13, 123))
    assert "holds 123" in check(root, "--any-count", code=1)


def test_rtts(tmp_path):
    root = write_rtts(tmp_path / "RTTS")
    report = check(root, "--any-count", code=0)
    assert "rtts, test, in " in report and "1 of 4322 published" in report
    assert "person 1, motorbike 1, bicycle 1" in report
    assert "rtts, test" in check("rtts_test", "--any-count", code=0, root=tmp_path)


def test_other_trees_are_not_taken_for_these(tmp_path):
    """Images and texts of YOLO lie where those of BDD100K's segmentation of 2018 do."""
    write_bdd100k_seg(tmp_path, row(0), "old, from within")
    (label,) = (tmp_path / "labels/val").iterdir()
    label.unlink()
    (tmp_path / "labels/val/7d06fefd-f7be05a6.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    assert "no dataset's layout was recognised" in check(tmp_path, code=0)
