"""Boxes read from a Cityscapes layout: by hand, against Detectron2's own loader, and bad input."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from snr_plugins.data.cityscapes import read_cityscapes
from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.labels import CITYSCAPES_IDS, THING_CLASSES, THING_LABEL_IDS
from snr_plugins.errors import InputError
from tests.trees import (
    AACHEN_GROUPS,
    AACHEN_INSTANCES,
    HEIGHT,
    IMAGE_NAMES,
    PAINTED,
    WIDTH,
    write_cityscapes_tree,
)

STEM = "aachen_000000_000019"
FOG = ("foggy_beta_0.005", "foggy_beta_0.01", "foggy_beta_0.02")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_cityscapes_tree(tmp_path / "city")


def image_path(root: Path, stem: str = STEM, condition: str = "clear") -> Path:
    folder, suffix = IMAGE_NAMES[condition]
    return root / folder / "val" / stem.split("_")[0] / f"{stem}{suffix}"


def label_path(root: Path, stem: str = STEM) -> Path:
    return root / "gtFine" / "val" / stem.split("_")[0] / f"{stem}_gtFine_instanceIds.png"


def found(annotations: list[dict], iscrowd: int) -> list[tuple]:
    chosen = [a for a in annotations if a["iscrowd"] == iscrowd]
    return sorted((a["category_id"], a["bbox"], a["area"]) for a in chosen)


def test_classes_are_those_cityscapes_evaluates():
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    evaluated = [label for label in labels if label.hasInstances and not label.ignoreInEval]
    assert tuple(label.name for label in evaluated) == THING_CLASSES
    assert tuple(label.id for label in evaluated) == THING_LABEL_IDS
    assert {label.name: label.id for label in labels if not label.ignoreInEval} == CITYSCAPES_IDS


def test_boxes_by_hand(tree):
    records = read_cityscapes(tree, "val")
    assert [record["image_id"] for record in records] == sorted(PAINTED)
    first, without_instances, _ = records
    assert first["file_name"] == str(image_path(tree))
    assert (first["height"], first["width"]) == (HEIGHT, WIDTH)
    assert found(first["annotations"], iscrowd=0) == list(AACHEN_INSTANCES)
    assert found(first["annotations"], iscrowd=1) == list(AACHEN_GROUPS)
    assert without_instances["annotations"] == []


def test_detectron_convention_drops_groups_and_is_one_larger(tree):
    annotations = read_cityscapes(tree, "val", box_convention="detectron")[0]["annotations"]
    expected = [
        (category, [x0, y0, x1 + 1, y1 + 1], area)
        for category, (x0, y0, x1, y1), area in AACHEN_INSTANCES
    ]
    assert found(annotations, iscrowd=0) == expected
    assert found(annotations, iscrowd=1) == []


def test_same_boxes_as_detectron2(tmp_path):
    pytest.importorskip("cityscapesscripts")
    loader = pytest.importorskip("detectron2.data.datasets.cityscapes")
    mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    ids = (24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 7, 24000, 25001, 26002, 29000, 31003, 33011)
    painted = {}
    for frame in range(3):
        corners = rng.integers(0, (WIDTH, HEIGHT, WIDTH, HEIGHT), size=(40, 4))
        painted[f"city_{frame:06}_000019"] = tuple(
            (int(rng.choice(ids)), min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            for x0, y0, x1, y1 in corners // (1, 1, 2, 2)
        )
    tree = write_cityscapes_tree(tmp_path, painted=painted)
    expected = loader.load_cityscapes_instances(
        str(tree / "leftImg8bit/val"), str(tree / "gtFine/val"), from_json=False, to_polygons=False
    )
    records = read_cityscapes(tree, "val")
    assert sum(len(record["annotations"]) for record in records) > 20
    by_file = {record["file_name"]: record for record in records}
    assert len(by_file) == len(expected)
    for theirs in expected:
        ours = by_file[theirs["file_name"]]
        assert (ours["height"], ours["width"]) == (theirs["height"], theirs["width"])
        assert [
            (a["category_id"], tuple(a["bbox"]), a["area"], bool(a["iscrowd"]))
            for a in ours["annotations"]
        ] == [
            (a["category_id"], a["bbox"], int(mask.area(a["segmentation"])), bool(a["iscrowd"]))
            for a in theirs["annotations"]
        ]


@pytest.mark.parametrize("condition", sorted(IMAGE_NAMES))
def test_every_condition_has_the_clear_boxes(tmp_path, condition):
    # All conditions lie in one tree, so that a wrong suffix would find another one's images.
    tree = write_cityscapes_tree(tmp_path, conditions=tuple(IMAGE_NAMES))
    records = read_cityscapes(tree, "val", (condition,))
    assert [r["file_name"] for r in records] == [
        str(image_path(tree, stem, condition)) for stem in sorted(PAINTED)
    ]
    clear = read_cityscapes(tree, "val")
    assert [r["annotations"] for r in records] == [r["annotations"] for r in clear]
    assert set(IMAGE_NAMES) == set(CONDITIONS)


def test_several_conditions_keep_image_ids_unique_and_annotations_apart(tmp_path):
    tree = write_cityscapes_tree(tmp_path, conditions=FOG)
    records = read_cityscapes(tree, "val", FOG)
    assert len({record["image_id"] for record in records}) == len(records) == 3 * len(PAINTED)
    assert records[0]["image_id"] == f"{STEM}_foggy_beta_0.005"
    records[0]["annotations"][0]["bbox_mode"] = 0
    assert "bbox_mode" not in records[3]["annotations"][0]


def test_other_files_in_a_city_folder_are_ignored(tree):
    (image_path(tree).parent / "Thumbs.db").write_bytes(b"")
    assert len(read_cityscapes(tree, "val")) == len(PAINTED)


def test_a_jpeg_of_a_pngs_name_is_read_as_the_frameworks_read_it(tree):
    Image.new("RGB", (WIDTH, HEIGHT)).save(image_path(tree), format="JPEG")
    assert len(read_cityscapes(tree, "val")) == len(PAINTED)


def remove_split(root: Path) -> None:
    shutil.rmtree(root / "leftImg8bit" / "val")


def remove_labels(root: Path) -> None:
    shutil.rmtree(root / "gtFine")


def empty_split(root: Path) -> None:
    for image in (root / "leftImg8bit" / "val").glob("*/*.png"):
        image.unlink()


def remove_one_label(root: Path) -> None:
    label_path(root).unlink()


def shrink_image(root: Path) -> None:
    Image.new("RGB", (WIDTH // 2, HEIGHT // 2)).save(image_path(root))


def colour_label(root: Path) -> None:
    Image.new("RGB", (WIDTH, HEIGHT)).save(label_path(root))


def cut_image(root: Path) -> None:
    path = image_path(root)
    path.write_bytes(path.read_bytes()[:-20])


def cut_label(root: Path) -> None:
    path = label_path(root)
    path.write_bytes(path.read_bytes()[:-20])


def empty_image(root: Path) -> None:
    image_path(root).write_bytes(b"")


def damage_label_inside(root: Path) -> None:
    content = bytearray(label_path(root).read_bytes())
    start = content.index(b"IDAT") + 8
    content[start : start + 20] = bytes(20)
    label_path(root).write_bytes(content)


@pytest.mark.parametrize(
    ("break_tree", "message"),
    [
        (remove_split, "leftImg8bit/val does not exist: unpack it"),
        (remove_labels, "gtFine/val does not exist: unpack it"),
        (empty_split, r"No file <city>/\*_leftImg8bit.png lies in .*leftImg8bit/val: unpack it"),
        (remove_one_label, f"{STEM}_leftImg8bit.png has no label .*{STEM}_gtFine_instance"),
        (shrink_image, f"{STEM}_leftImg8bit.png is 48x24 pixels but .*instanceIds.png is 96x48"),
        (colour_label, f"{STEM}_gtFine_instanceIds.png is an image of mode RGB"),
        (cut_image, f"{STEM}_leftImg8bit.png is cut short"),
        (cut_label, f"{STEM}_gtFine_instanceIds.png is cut short"),
        (empty_image, f"{STEM}_leftImg8bit.png is no readable image .unknown format"),
        (damage_label_inside, f"{STEM}_gtFine_instanceIds.png is damaged"),
    ],
)
def test_bad_trees_are_refused_by_name(tree, break_tree, message):
    break_tree(tree)
    with pytest.raises(InputError, match=message):
        read_cityscapes(tree, "val", hint="unpack it")


def test_one_name_in_two_cities_is_two_images(tree):
    """Scores are by image id: both images' boxes would be one image's."""
    before = {record["image_id"] for record in read_cityscapes(tree, "val")}
    image = next((tree / "leftImg8bit" / "val").rglob("*.png"))
    label = next((tree / "gtFine" / "val").rglob(f"{image.stem[:-12]}*instanceIds.png"))
    for file in (image, label):
        copy = file.parent.with_name("zurich") / file.name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(file, copy)
    ids = [record["image_id"] for record in read_cityscapes(tree, "val")]
    assert len(set(ids)) == len(ids) == len(before) + 1
    stem = image.name.removesuffix("_leftImg8bit.png")
    assert set(ids) - before == {f"zurich/{stem}", f"{image.parent.name}/{stem}"}


def test_unknown_names_list_the_known_ones(tree):
    with pytest.raises(InputError, match="condition 'snow': choose from clear, foggy_beta_0.005"):
        read_cityscapes(tree, "val", ("snow",))
    with pytest.raises(InputError, match="box convention 'coco': choose from detectron2, det"):
        read_cityscapes(tree, "val", box_convention="coco")


@pytest.mark.parametrize("size", [(128, 64), (256, 128), (512, 256)])
@pytest.mark.parametrize("groups", [False, True])
def test_same_boxes_as_detectron2_on_the_synthetic_city(tmp_path, size, groups):
    cityscapes = pytest.importorskip("detectron2.data.datasets.cityscapes")
    from snr_plugins.city import write_city

    try:
        write_city(tmp_path, 0, 3, seed=5, size=size, conditions=("clear",), progress=False)
    except InputError as error:
        pytest.skip(str(error))  # no OpenGL
    if groups:  # every second car of each frame joins one group
        for path in tmp_path.rglob("*_instanceIds.png"):
            ids = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            ids[(ids >= 26000) & (ids < 27000) & (ids % 2 == 0)] = 26
            assert cv2.imwrite(str(path), ids)
    theirs = cityscapes.load_cityscapes_instances(
        str(tmp_path / "leftImg8bit/val"),
        str(tmp_path / "gtFine/val"),
        from_json=False,
        to_polygons=False,
    )
    theirs = {record["file_name"]: record for record in theirs}
    ours = read_cityscapes(tmp_path, "val")
    assert len(ours) == len(theirs) == 3
    found = 0
    for record in ours:
        expected = theirs[record["file_name"]]
        assert (record["height"], record["width"]) == (expected["height"], expected["width"])
        boxes = sorted(
            (a["category_id"], bool(a["iscrowd"]), *map(int, a["bbox"]))
            for a in expected["annotations"]
        )
        assert boxes == sorted(
            (a["category_id"], bool(a["iscrowd"]), *a["bbox"]) for a in record["annotations"]
        )
        found += sum(a["iscrowd"] for a in record["annotations"]) if groups else len(boxes)
    assert found > 0
