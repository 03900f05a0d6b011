"""Every fault of a tree by its name, and nothing wrong where nothing is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.domain_trees import write_domain_tree
from tests.segmentation.trees import (
    write_camvid,
    write_colour16,
    write_cross_city,
    write_grey,
    write_gta5,
    write_image,
    write_palette,
    write_synthia,
)
from tests.trees import (
    HEIGHT,
    IMAGE_NAMES,
    PAINTED,
    WIDTH,
    write_cityscapes_tree,
    write_kitti_tree,
    write_sim10k_tree,
)

ROOT = Path(__file__).parents[2]
FOGS = tuple(name for name in IMAGE_NAMES if name.startswith("foggy"))
STEM = "aachen_000000_000019"
# PAINTED has one rectangle of an id that no class has.
DEFINED = {
    stem: tuple(entry for entry in painted if entry[0] != 200) for stem, painted in PAINTED.items()
}


def check(*arguments: object, code: int, root: Path | None = None) -> str:
    """The report; the exit status must be ``code``, and nothing a traceback."""
    environment = {**os.environ, "DETECTRON2_DATASETS": str(root)}
    command = [sys.executable, ROOT / "tools" / "check_data.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def city(tmp_path) -> Path:
    return write_cityscapes_tree(tmp_path / "Städte im Nebel", "val", ("clear", *FOGS), DEFINED)


def noise(root: Path) -> Path:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    Image.fromarray(image).save(root / f"leftImg8bit/val/aachen/{STEM}_leftImg8bit.png")
    return root


def test_a_good_tree_has_nothing_wrong(city):
    report = check(city, "--any-count", code=0)
    assert report.count("nothing wrong") == 2  # cityscapes, and the three fogs as one
    assert "cityscapes, val, in " in report and "foggy_cityscapes_all, val, in " in report
    assert "images    3 of 500 published, 3 labels" in report
    assert "images    9 of 1500 published, 3 labels" in report
    assert f"size      {WIDTH}x{HEIGHT} (3)" in report
    # By hand from tests/trees.py, Detectron2's convention
    assert "car 2" in report and "car group 1" in report and "bicycle 1" in report
    assert "good for  source of configs/detection/faster_rcnn_*_cityscapes_to_foggy*.yaml" in report


def test_published_counts_are_asked_for(city):
    report = check(city, code=1)
    assert "3 images, but 500 are published (Cordts et al." in report
    assert "9 images, but 1500 are published (Sakaridis" in report


def test_one_fog_alone_is_checked_alone(tmp_path):
    root = write_cityscapes_tree(tmp_path, "val", ("clear", "foggy_beta_0.02"), DEFINED)
    report = check(root, "--any-count", code=0)
    assert "foggy_cityscapes_beta_0.02, val" in report and "foggy_cityscapes_all" not in report


def image_of(root: Path, name: str = "clear", stem: str = STEM) -> Path:
    folder, suffix = IMAGE_NAMES[name]
    return root / folder / "val" / stem.split("_")[0] / f"{stem}{suffix}"


def label_of(root: Path, kind: str = "labelIds.png") -> Path:
    return root / "gtFine" / "val" / "aachen" / f"{STEM}_gtFine_{kind}"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-15])


def upper(path: Path) -> None:
    path.rename(path.with_suffix(".PNG"))


def twice(root: Path) -> None:
    source = image_of(root)
    shutil.copy(source, source.with_suffix(".PNG"))


def other_city(root: Path) -> None:
    copy = root / "leftImg8bit/val/bremen" / image_of(root).name
    shutil.copy(image_of(root), copy)
    for kind in ("labelIds.png", "instanceIds.png"):
        shutil.copy(label_of(root, kind), root / "gtFine/val/bremen" / label_of(root, kind).name)


def broken_link(root: Path) -> None:
    image_of(root).unlink()
    os.symlink(root / "gone.png", image_of(root))


def write_ids(path: Path, ids: np.ndarray) -> None:
    Image.fromarray(ids).save(path)


@pytest.mark.parametrize(
    ("break_tree", "kind", "named"),
    [
        (lambda r: cut(image_of(r)), "unreadable image: 1", f"{STEM}_leftImg8bit.png is cut short"),
        (lambda r: cut(label_of(r)), "unreadable label: 1", f"{STEM}_gtFine_labelIds.png is cut"),
        (
            lambda r: label_of(r).write_bytes(image_of(r).read_bytes()),
            "unreadable label: 1",
            "labelIds.png is an image of mode RGB",
        ),
        (lambda r: image_of(r).unlink(), "label without image: 1", "labelIds.png belongs to no"),
        (lambda r: upper(image_of(r)), "upper-case ending", "_leftImg8bit.PNG should end in"),
        (lambda r: twice(r), "one name twice: 1", f"{STEM}_leftImg8bit.png and "),
        (lambda r: other_city(r), "one name twice: 1", "val/bremen/aachen_000000_000019"),
        (lambda r: broken_link(r), "link to nothing: 1", "points to "),
        (
            lambda r: image_of(r, "foggy_beta_0.01").unlink(),
            "frame without its image foggy_beta_0.01: 1",
            f"aachen/{STEM}_leftImg8bit_foggy_beta_0.01.png is missing",
        ),
        (
            lambda r: [label_of(r, kind).unlink() for kind in ("labelIds.png", "polygons.json")],
            "image without label: 1",
            f"aachen/{STEM} has no label",
        ),
        (
            lambda r: label_of(r).unlink(),
            "polygons without masks: 1",
            f"{STEM}_gtFine_polygons.json is there, {STEM}_gtFine_labelIds.png is not",
        ),
        (
            lambda r: label_of(r, "instanceIds.png").unlink(),
            "polygons without masks: 1",
            f"{STEM}_gtFine_instanceIds.png is missing",
        ),
        (
            lambda r: write_ids(label_of(r, "instanceIds.png"), np.zeros((3, 5), np.uint16)),
            "unreadable label: 1",
            "instanceIds.png is 5x3 pixels but",
        ),
        (
            lambda r: [write_ids(label_of(r, f"{k}Ids.png"), np.full((40, 90), 7, t))
                       for k, t in (("label", np.uint8), ("instance", np.uint16))],
            "label of another size than its image: ",
            "is 96x48, its label ",
        ),
        (
            lambda r: Image.new("RGB", (60, 30)).save(image_of(r)),
            "odd size: 1",
            f"{STEM}_leftImg8bit.png is 60x30, most are 96x48",
        ),
        (
            lambda r: write_ids(label_of(r), np.full((HEIGHT, WIDTH), 99, np.uint8)),
            "label ids that the dataset does not define: ",
            f"{STEM}_gtFine_labelIds.png holds 99",
        ),
        (
            lambda r: [write_ids(path, np.full((HEIGHT, WIDTH), (0, 13, 255)[i], np.uint8))
                       for i, path in enumerate(r.rglob("*labelIds.png"))],
            "train ids: 1",
            "*_gtFine_labelIds.png hold 0 to 18 and 255 alone, which are train ids",
        ),
    ],
)  # fmt: skip
def test_each_fault_of_cityscapes_is_named(city, break_tree, kind, named):
    break_tree(city)
    report = check(city, "--any-count", code=1)
    assert f"WRONG     {kind}" in report
    assert named in report


def test_damage_inside_an_image_is_found_by_decoding(city):
    image = noise(city) / f"leftImg8bit/val/aachen/{STEM}_leftImg8bit.png"
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 255
    image.write_bytes(content)
    check(city, "--any-count", code=0)
    report = check(city, "--any-count", "--decode", code=1)
    assert "unreadable image: 1" in report and f"{STEM}_leftImg8bit.png is damaged" in report


def test_a_missing_folder_is_named_where_the_name_is_given(city, tmp_path):
    city.rename(tmp_path / "cityscapes")
    report = check("cityscapes_boxes_val", "--any-count", code=0, root=tmp_path)
    assert "cityscapes, val, in " in report and "cityscapes, train" not in report
    report = check("cityscapes", "--any-count", code=1, root=tmp_path)
    assert "missing folder: 2" in report and "leftImg8bit/train does not exist" in report
    report = check("gta5", code=1, root=tmp_path)
    assert report == (
        f"error: The folder {tmp_path}/gta5 does not exist: set DETECTRON2_DATASETS or --root to "
        "the folder that holds gta5, or give the path itself.\n"
    )
    assert "choose from cityscapes, " in check("nuscenes", code=1, root=tmp_path)


def test_links_to_folders_are_followed(city, tmp_path):
    (tmp_path / "datasets").mkdir()
    os.symlink(city, tmp_path / "datasets" / "cityscapes")
    shutil.move(city / "gtFine", tmp_path / "labels elsewhere")
    os.symlink(tmp_path / "labels elsewhere", city / "gtFine")
    check("cityscapes_boxes_val", "--any-count", code=0, root=tmp_path / "datasets")


def test_nothing_is_written_into_the_dataset(city):
    """It may lie on a disk that nobody can write to."""
    before = {path: path.stat().st_mtime_ns for path in city.rglob("*")}
    for path in [*before, city]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        check(city, "--any-count", code=0)
        assert {path: path.stat().st_mtime_ns for path in city.rglob("*")} == before
    finally:
        for path in [*before, city]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def row(*ids: int) -> np.ndarray:
    return np.array([ids], dtype=np.uint8)


def test_gta5(tmp_path):
    root = write_gta5(tmp_path, row(7, 8, 0, 34))  # 34: the licence plate that it alone has
    report = check(root, "--any-count", code=0)
    assert "gta5, train, in " in report
    assert "road 25 %" in report and "sidewalk 25 %" in report and "void 50 %" in report
    write_palette(root / "labels" / "00001.png", row(7, 40, 0, 34))
    assert "00001.png holds 40" in check(root, "--any-count", code=1)
    write_palette(root / "labels" / "00001.png", row(7, 7))
    assert "its label" in check(root, "--any-count", code=1)
    # 15188 does not fit either, as everybody knows, and the loaders leave it out
    for folder in ("images", "labels"):
        (root / folder / "00001.png").rename(root / folder / "15188.png")
    report = check(root, "--any-count", code=0)
    assert "known, the loaders leave it out" in report


def test_synthia(tmp_path):
    root = write_synthia(tmp_path, row(3, 21, 22, 10))
    assert "person 25 %" in check(root, "--any-count", code=0)
    write_colour16(root / "GT" / "LABELS" / "0000000.png", row(3, 21, 23, 10))
    assert "0000000.png holds 23" in check(root, "--any-count", code=1)
    write_grey(root / "GT" / "LABELS" / "0000000.png", row(3, 21, 22, 10))
    assert "has no colour channels" in check(root, "--any-count", code=1)


def test_cross_city_and_camvid(tmp_path):
    root = write_cross_city(tmp_path / "cross", "Rio", row(7, 26))
    report = check(root, "--any-count", code=0)
    assert "Rio/Train" in report and "Rio/Test" in report and "Rome" not in report
    root = write_camvid(tmp_path / "camvid", "day_val", row(0, 10, 255))
    assert "void 33 %" in check(root, code=0)


def test_kitti_and_sim10k(tmp_path):
    report = check(write_kitti_tree(tmp_path / "kitti"), "--any-count", code=0)
    assert "2 of 7481 published" in report
    assert "Car 1, Van 1, DontCare group 1, Pedestrian 1" in report
    assert "good for  source of configs/detection/faster_rcnn_*_kitti_to_cityscapes" in report
    report = check(write_sim10k_tree(tmp_path / "sim10k"), "--any-count", code=0)
    assert "2 of 10000 published" in report and "car 1, person 1, motorbike 1" in report
    written = tmp_path / "sim10k/VOC2012/Annotations/3384645.xml"
    written.write_text(written.read_text().replace("car", "CAR").replace("person", "Person"))
    report = check(tmp_path / "sim10k", "--any-count", code=0)
    assert "the class CAR was taken for car, 1 in all" in report and "Person was" not in report
    Image.new("RGB", (10, 10)).save(tmp_path / "sim10k/VOC2012/JPEGImages/3384645.jpg")
    report = check(tmp_path / "sim10k", "--any-count", code=1)
    assert "3384645.jpg is 10x10, its label" in report
    label = tmp_path / "kitti/training/label_2/000000.txt"
    label.write_text("Car 1 2 3\n")
    assert "000000.txt, line 1 is not a type" in check(tmp_path / "kitti", "--any-count", code=1)


def test_impossible_boxes_of_kitti_and_sim10k_are_all_listed(tmp_path):
    objects = (("Van", (9, 9, 9, 20)), ("Car", (500, 9, 509, 20)), ("Car", (80, 9, 120, 20)))
    report = check(write_kitti_tree(tmp_path / "kitti", {"000000": objects}), "--any-count", code=1)
    assert "impossible box: 2" in report and "line 1 has the box 9 9 9 20" in report
    assert "line 2 has the box 500 9 509 20" in report
    assert "reaches outside its image and was clipped, 1 in all" in report
    objects = (("car", (20, 5, 10, 20)), ("person", ("nan", 5, 10, 20)))
    root = write_sim10k_tree(tmp_path / "sim10k", {"0000001": objects})
    report = check(root, "--any-count", "--picture", tmp_path / "boxes.png", code=1)
    assert "impossible box: 2" in report and "object 2 (person) has the box nan" in report


def test_odd_images_are_told(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("CMYK", (40, 30)).save(tmp_path / "print.jpg")
    Image.new("RGBA", (40, 30)).save(tmp_path / "drawn.png")
    report = check(tmp_path, code=0)
    assert "1 of 3 images are turned or mirrored as EXIF asks" in report and "30x40 (1)" in report
    assert "are of mode CMYK" in report and "are read without alpha" in report
    Image.new("I;16", (40, 30)).save(tmp_path / "thermal.png")
    report = check(tmp_path, code=1)
    assert "unreadable image: 1" in report and "thermal.png is grey of more than 8 bits" in report


def test_all_faults_and_mends_of_a_coco_file_are_listed(tmp_path):
    write_image(tmp_path / "images" / "a.jpg", (30, 40))
    boxes = ([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4], [90, 90, 3, 4], [1, 2, 0, 4])
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco), encoding="utf-16")
    report = check(tmp_path, code=1)
    assert "COCO file: 2" in report and "boxes     dog 1" in report
    assert "annotations[1] has the box [0.1" in report and "wholly outside" in report
    for mend in ("the file is utf-16", "no width or height", "given anew", "area is missing"):
        assert mend in report
    (tmp_path / "images" / "a.jpg").write_bytes(b"<html>")
    report = check(tmp_path, code=1)
    assert report.count("a.jpg is no readable image") == 1


@pytest.mark.parametrize("content", [b"", b'{"images": [{"id": 1, ', b"[]", b"[" * 100_000])
def test_a_coco_file_that_is_none_does_not_make_its_images_unlabelled(tmp_path, content):
    write_image(tmp_path / "images" / "a.jpg", (30, 40))
    (tmp_path / "boxes.json").write_bytes(content)
    report = check(tmp_path, code=1)
    assert "COCO file: 1" in report and "nothing wrong" not in report


def test_a_coco_file_and_a_plain_folder(tmp_path):
    write_image(tmp_path / "images" / "a.jpg", (30, 40))
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "bbox": [1, 2, 3, 4],
                "area": 12,
                "iscrowd": 0,
            }
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    for given in (tmp_path, tmp_path / "boxes.json"):
        report = check(given, code=0)
        assert "boxes     dog 1" in report and "register_coco_folder" in report
    coco["annotations"][0]["category_id"] = 7
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    assert "has the category 7, which 'categories' does not list" in check(tmp_path, code=1)

    report = check(tmp_path / "images", code=0)
    assert "images without labels" in report and "register_image_folder" in report
    assert "no dataset's layout was recognised" in report
    write_image(tmp_path / "images" / "a.png", (30, 40))
    report = check(tmp_path / "images", code=1)
    assert "one name twice: 1" in report and "a.jpg and " in report
    empty = tmp_path / "nothing"
    empty.mkdir()
    assert "holds no image" in check(empty, code=1)


def test_a_folder_of_datasets(tmp_path):
    """Where none was recognised the label images would count as images, with nothing wrong."""
    write_gta5(tmp_path / "gta5", row(7, 8, 26))
    write_camvid(tmp_path / "camvid", "day_val", row(0, 10, 255))
    report = check(tmp_path, "--any-count", code=0)
    assert report.count("nothing wrong") == 2
    assert "gta5, train, in " in report and "camvid, day_val, in " in report


def test_many_faults_are_cut_short_unless_all_are_wanted(tmp_path):
    painted = {f"ulm_{index:06}_000019": () for index in range(15)}
    root = write_cityscapes_tree(tmp_path, painted=painted)
    for path in (root / "leftImg8bit").rglob("*.png"):
        cut(path)
    report = check(root, "--any-count", code=1)
    assert "unreadable image: 15" in report and "and 5 more: say --all" in report
    assert check(root, "--any-count", "--all", code=1).count("is cut short") == 15


def test_the_picture_shows_the_frames(city, tmp_path):
    noise(city)
    picture = tmp_path / "grid.png"
    check(city, "--any-count", "--picture", picture, code=0)
    drawn = cv2.imread(str(picture))
    height = round(480 * HEIGHT / WIDTH)
    assert drawn.shape == (height, 3 * 480, 3)  # three frames in a row
    # The first is noise, half covered by the colours of its classes; the second one class.
    assert drawn[:, :480].std() > 20
    assert len(np.unique(drawn[5:-5, 485:955].reshape(-1, 3), axis=0)) == 1
    assert (tmp_path / "grid_2.png").is_file()  # the fogs
    assert "should end in .jpg or .png" in check(city, "--picture", "grid.txt", code=2)
    report = check(city, "--any-count", "--picture", "/proc/nowhere/grid.png", code=1)
    assert "/proc/nowhere/grid.png cannot be written" in report


def test_domains_of_classes(tmp_path):
    tree = write_domain_tree(tmp_path / "domains", images=3)
    text = check(tree, code=0)
    assert "3 domains of 2 classes" in text
    assert "images    18, 18 labels" in text
    assert "nothing wrong" in text
    assert "bright: 6 images" in text

    shutil.rmtree(tree / "dim" / "red")
    for image in (tree / "dark" / "red").iterdir():
        image.unlink()
    (tree / "bright" / "blue" / "000.png").write_bytes(b"no image")
    text = check(tree, code=1)
    assert f"{tree / 'dim'} has no folder 'red'" in text
    assert f"{tree / 'dark' / 'red'} holds no image" in text
    assert "unreadable image: 1" in text


def test_folders_of_recordings_are_no_domains(tmp_path):
    for name in ("monday/one", "monday/two", "tuesday/three"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name / "0.png")
    assert "images without labels" in check(tmp_path, code=0)
