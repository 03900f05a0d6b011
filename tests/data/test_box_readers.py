"""KITTI, Sim10k and plain folders: boxes by hand, and what is wrong by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from snr_plugins.data.folder import read_image_folder
from snr_plugins.data.kitti import read_kitti
from snr_plugins.data.sim10k import read_sim10k
from snr_plugins.errors import InputError
from tests.trees import HEIGHT, WIDTH, write_kitti_tree, write_sim10k_tree

IMAGES = Path("training", "image_2")
LABELS = Path("training", "label_2")
XML = Path("VOC2012", "Annotations", "3384645.xml")
JPEG = Path("VOC2012", "JPEGImages", "3384645.jpg")


def test_kitti_by_hand(tmp_path):
    first, second = read_kitti(write_kitti_tree(tmp_path / "kitti daten ü"))
    assert (first["height"], first["width"]) == (HEIGHT, WIDTH)
    assert (second["height"], second["width"]) == (HEIGHT - 1, WIDTH - 1)
    assert [record["image_id"] for record in (first, second)] == ["000000", "000001"]
    # The car as published; DontCare as a group; the van and the pedestrian are neither.
    assert first["annotations"] == [
        {
            "category_id": 0,
            "bbox": [10.5, 12.25, 40.0, 30.75],
            "area": 29.5 * 18.5,
            "iscrowd": 0,
        },
        {"category_id": 0, "bbox": [0.0, 5.0, 8.0, 9.0], "area": 32.0, "iscrowd": 1},
    ]
    assert second["annotations"] == []


def test_sim10k_by_hand(tmp_path):
    first, second = read_sim10k(write_sim10k_tree(tmp_path))
    # VOC's 1..96 covers all 96 columns.
    assert [a["bbox"] for a in first["annotations"]] == [[0, 0, WIDTH, HEIGHT]]
    assert first["annotations"][0]["area"] == WIDTH * HEIGHT
    assert second["annotations"] == []


def test_sim10k_has_the_boxes_of_detectron2s_voc_loader(tmp_path):
    pascal_voc = pytest.importorskip("detectron2.data.datasets.pascal_voc")
    tree = write_sim10k_tree(tmp_path)
    classes = ("person", "car", "motorbike")
    theirs = pascal_voc.load_voc_instances(str(tree / "VOC2012"), "trainval", classes)
    ours = read_sim10k(tree)
    assert [record["file_name"] for record in ours] == [record["file_name"] for record in theirs]
    for our, their in zip(ours, theirs, strict=True):
        assert (our["height"], our["width"]) == (their["height"], their["width"])
        cars = [a["bbox"] for a in their["annotations"] if a["category_id"] == 1]
        assert [a["bbox"] for a in our["annotations"]] == cars


def rename_upper(path: Path) -> None:
    path.rename(path.with_name(path.name.upper()))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("break_tree", "message"),
    [
        (
            lambda root: (root / LABELS / "000001.txt").unlink(),
            r"000001\.png has no label .*1\.txt",
        ),
        (lambda root: cut_short(root / IMAGES / "000001.png"), r"000001\.png is cut short"),
        (lambda root: rename_upper(root / IMAGES / "000001.png"), r"000001\.PNG should end in \.p"),
        (
            lambda root: (root / IMAGES / "000001.png").rename(root / IMAGES / "000001.jpg"),
            r"000001\.jpg has the label .*000001\.txt but does not end in \.png",
        ),
        (
            lambda root: (root / LABELS / "000000.txt").write_text(
                "Lorry 0 0 0 1 2 3 4 1 1 1 1 1 1 0"
            ),
            r"000000\.txt, line 1 is not a type of KITTI",
        ),
        (
            lambda root: (root / LABELS / "000000.txt").write_text(
                "\nCar 0 0 0 9 2 3 4 1 1 1 1 1 1 0"
            ),
            r"000000\.txt, line 2 has the box 9 2 3 4",
        ),
        (
            lambda root: (root / LABELS / "000000.txt").write_text(
                "Car 0 0 0 1 2 3 x 1 1 1 1 1 1 0"
            ),
            r"000000\.txt, line 1 has the box 1 2 3 x",
        ),
    ],
)
def test_kitti_at_fault_is_named(tmp_path, break_tree, message):
    break_tree(write_kitti_tree(tmp_path))
    with pytest.raises(InputError, match=message):
        read_kitti(tmp_path)


@pytest.mark.parametrize(
    ("break_tree", "message"),
    [
        (lambda root: cut_short(root / XML), r"3384645\.xml is no annotation of PASCAL VOC"),
        (
            lambda root: (root / XML).write_text((root / XML).read_text().replace("xmax", "max")),
            r"3384645\.xml is no annotation of PASCAL VOC",
        ),
        (lambda root: cut_short(root / JPEG), r"3384645\.jpg is cut short"),
        (
            lambda root: Image.new("RGB", (WIDTH, HEIGHT + 2)).save(root / JPEG),
            r"3384645\.jpg is 96x50 pixels but .*3384645\.xml is 96x48",
        ),
        (lambda root: (root / JPEG).write_text("<html>"), r"3384645\.jpg is no readable image"),
    ],
)
def test_sim10k_at_fault_is_named(tmp_path, break_tree, message):
    break_tree(write_sim10k_tree(tmp_path))
    with pytest.raises(InputError, match=message):
        read_sim10k(tmp_path)


@pytest.mark.parametrize("read", [read_kitti, read_sim10k])
def test_a_missing_folder_is_named_with_the_hint(tmp_path, read):
    with pytest.raises(InputError, match=rf"{tmp_path}.* does not exist: unpack it there\."):
        read(tmp_path, hint="unpack it there")


def test_any_folder_of_images_is_a_target(tmp_path):
    folder = tmp_path / "eine Stadt"
    (folder / "été").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(folder / "b.JPG", "JPEG")
    Image.new("L", (10, 40)).save(folder / "été" / "a.png")
    (folder / "notes.txt").write_text("not an image")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (7, 5)).save(elsewhere / "c.png")
    os.symlink(elsewhere, folder / "linked")
    records = read_image_folder(folder)
    assert [(r["image_id"], r["height"], r["width"]) for r in records] == [
        ("b.JPG", 20, 30),
        ("linked/c.png", 5, 7),
        ("été/a.png", 40, 10),
    ]
    assert all(record["annotations"] == [] for record in records)
    cut_short(folder / "b.JPG")
    with pytest.raises(InputError, match=r"b\.JPG is cut short"):
        read_image_folder(folder)


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(InputError, match=rf"{tmp_path} holds no image"):
        read_image_folder(tmp_path)
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_image_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((10, 5, 10, 20), "without width or height"),
        ((10, 5, 20, 5), "without width or height"),
        ((WIDTH + 1, 5, WIDTH + 9, 20), f"wholly outside of its image of {WIDTH}x{HEIGHT}"),
        ((float("nan"), 5, 20, 20), "give finite numbers"),
        ((10, 5, float("inf"), 20), "give finite numbers"),
        ((20, 5, 10, 20), "right or bottom before left or top"),
    ],
)
@pytest.mark.parametrize("kind", ["Car", "DontCare"])
def test_impossible_boxes_of_kitti_are_named(tmp_path, kind, box, reason):
    good = ("Car", (1, 2, 30, 40))
    write_kitti_tree(tmp_path, {"000000": (good, (kind, box))})
    with pytest.raises(InputError, match=rf"000000\.txt, line 2 has the box .*{reason}"):
        read_kitti(tmp_path)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((20, 5, 10, 20), "right or bottom before left or top"),
        ((10, 20, 20, 5), "right or bottom before left or top"),
        ((11, 5, 10, 20), "without width or height"),  # VOC counts the last column in
        ((WIDTH + 1, 5, WIDTH + 9, 20), "wholly outside"),
        ((-20, 5, 0, 20), "wholly outside"),
        (("nan", 5, 20, 20), "give finite numbers"),
        ((10, 5, 20, "inf"), "give finite numbers"),
    ],
)
def test_impossible_boxes_of_sim10k_are_named(tmp_path, box, reason):
    write_sim10k_tree(tmp_path, {"0000001": (("person", (1, 1, 9, 9)), ("car", box))})
    expected = rf"0000001\.xml, object 2 \(car\) has the box .*{reason}"
    with pytest.raises(InputError, match=expected):
        read_sim10k(tmp_path)


FRACTIONS = (0.25, 0.25, 0.5, 0.75)


def test_fractions_of_the_image_are_no_pixels(tmp_path):
    write_kitti_tree(tmp_path / "k", {"000000": (("Car", FRACTIONS),)})
    with pytest.raises(InputError, match=r"000000\.txt, line 1 .* fractions of the image"):
        read_kitti(tmp_path / "k")
    write_sim10k_tree(tmp_path / "s", {"0000001": (("car", FRACTIONS),)})
    with pytest.raises(InputError, match=r"0000001\.xml, object 1 .* fractions of the image"):
        read_sim10k(tmp_path / "s")


@pytest.mark.parametrize("change", [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")])
def test_kitti_as_other_editors_write_it(tmp_path, change):
    path = write_kitti_tree(tmp_path) / LABELS / "000000.txt"
    before = read_kitti(tmp_path)
    path.write_bytes(change(path.read_text()).encode())
    assert read_kitti(tmp_path) == before


SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SIZE, ""),
        (SIZE, "<size/>"),
        (SIZE, "<size><width>0</width><height>0</height></size>"),  # not known to the program
        (SIZE, f"<size><width>{WIDTH}.0</width><height> {HEIGHT} </height></size>"),
        ("<name>car</name>", "<name> car\n</name>"),
        ("<name>car</name>", "<part><name>wheel</name><bndbox/></part><name>car</name>"),
        ("<name>car</name>", "<name>car</name><difficult>1</difficult>"),
        ("<annotation>", "\ufeff<annotation>"),
        ("<annotation>", '<?xml version="1.0" encoding="utf-8"?><annotation>'),
    ],
)
def test_voc_as_other_programs_write_it(tmp_path, old, new):
    path = write_sim10k_tree(tmp_path) / XML
    before = read_sim10k(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert read_sim10k(tmp_path) == before


def test_a_class_in_another_case_is_the_class_with_a_line_in_the_log(tmp_path, caplog):
    path = write_sim10k_tree(tmp_path) / XML
    before = read_sim10k(tmp_path)
    path.write_text(path.read_text().replace("car", "Car").replace("person", "Person"))
    assert read_sim10k(tmp_path) == before
    (line,) = caplog.messages  # of cars alone: persons are background by any name
    assert "the class Car was taken for car, 1 in all" in line and "object 1 (Car)" in line


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("annotation>", "annotations>", "of the kind 'annotations'"),  # CVAT's
        ("annotation>", "html>", "of the kind 'html'"),
        ("<name>car</name>", "", "object 1 has no name"),
        ("<name>car</name>", "<name> </name>", "object 1 has no name"),
        (
            "<xmin>1</xmin>",
            "<xmin>1,5</xmin>",
            r"object 1 \(car\) has the xmin '1,5', not a number",
        ),
        ("<xmax>96</xmax>", "", r"object 1 \(car\) has the xmax None, not a number"),
        ("object>", "Object>", "objects that are no <object>"),
        (f"<width>{WIDTH}</width>", "<width>nan</width>", "its size is nanx48"),
        ("<annotation>", '<?xml version="1.0" encoding="none"?><annotation>', "unknown encoding"),
    ],
)
def test_what_is_not_voc_is_not_an_image_without_boxes(tmp_path, old, new, reason):
    path = write_sim10k_tree(tmp_path) / XML
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError, match=rf"3384645\.xml is no annotation .*{reason}"):
        read_sim10k(tmp_path)


def test_what_is_no_car_is_not_judged(tmp_path):
    write_kitti_tree(tmp_path / "k", {"000000": (("Van", (9, 9, 9, 9)), ("Car", (1, 2, 3, 4)))})
    assert len(read_kitti(tmp_path / "k")[0]["annotations"]) == 1
    write_sim10k_tree(tmp_path / "s", {"0000001": (("person", (9, 9, 1, 1)),)})
    assert read_sim10k(tmp_path / "s")[0]["annotations"] == []


def test_one_pixel_is_a_box_of_voc(tmp_path):
    write_sim10k_tree(tmp_path, {"0000001": (("car", (10, 5, 10, 5)),)})
    assert read_sim10k(tmp_path)[0]["annotations"][0]["bbox"] == [9, 4, 10, 5]


def test_boxes_cut_by_the_border_are_clipped_with_a_line_in_the_log(tmp_path, caplog):
    boxes = (("Car", (-30, 5, 10, 20)), ("Car", (80, 5, WIDTH + 1.5, 20)))
    (record,) = read_kitti(write_kitti_tree(tmp_path / "k", {"000000": boxes}))
    # beyond two pixels, and by rounding alone
    assert [a["bbox"] for a in record["annotations"]] == [[0, 5, 10, 20], [80, 5, WIDTH + 1.5, 20]]
    assert record["annotations"][0]["area"] == 150
    (line,) = caplog.messages
    assert "was clipped, 1 in all (first: " in line and "000000.txt, line 1" in line
    caplog.clear()
    frames = {"0000001": (("car", (81, 1, WIDTH + 40, 21)),)}
    (record,) = read_sim10k(write_sim10k_tree(tmp_path / "s", frames))
    assert record["annotations"][0]["bbox"] == [80, 0, WIDTH, 21]
    assert "0000001.xml, object 1 (car)" in caplog.messages[0]
