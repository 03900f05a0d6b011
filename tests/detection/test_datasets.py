"""Registered datasets: found through the environment, checked on load, agreed on classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.detection.catalogue import check_class_count, describe_dataset
from snr_plugins.detection.datasets import (
    register_cityscapes_folder,
    register_coco_folder,
    register_datasets,
    register_image_folder,
)
from snr_plugins.errors import InputError
from tests.trees import (
    AACHEN_INSTANCES,
    IMAGE_NAMES,
    PAINTED,
    write_cityscapes_tree,
    write_kitti_tree,
    write_sim10k_tree,
)

CAMVID = Path(__file__).parents[3] / "shared" / "data" / "camvid"
NAME = "test_folder"


pytestmark = pytest.mark.usefixtures("project_datasets")


@pytest.fixture
def coco(tmp_path) -> dict:
    """Two images, two categories whose ids are not in order of the file, one box."""
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / "images" / name)
    box = {"id": 7, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 20]}
    return {
        "images": [
            {"id": index, "file_name": name, "height": 30, "width": 40}
            for index, name in ((1, "a.jpg"), (2, "b.jpg"))
        ],
        "annotations": [{**box, "area": 150, "iscrowd": 0}],
        "categories": [{"id": 9, "name": "tram"}, {"id": 5, "name": "dog"}],
    }


def load_coco(tmp_path: Path, content: object, classes: list[str] | None = None) -> list[dict]:
    json_file = tmp_path / "boxes.json"
    json_file.write_text(content if isinstance(content, str) else json.dumps(content))
    register_coco_folder(NAME, str(json_file), str(tmp_path / "images"), classes)
    return DatasetCatalog.get(NAME)


@pytest.mark.parametrize("condition", sorted(IMAGE_NAMES))
@pytest.mark.parametrize("split", ["train", "val"])
def test_synthetic_city_loads_below_the_environments_root(tmp_path, condition, split):
    write_cityscapes_tree(tmp_path / "synthetic_city", split, tuple(IMAGE_NAMES))
    name = f"synthetic_city_{condition}_{split}"
    first = DatasetCatalog.get(name)[0]
    folder, suffix = IMAGE_NAMES[condition]
    city = tmp_path / "synthetic_city" / folder / split / "aachen"
    assert first["file_name"] == str(city / f"{sorted(PAINTED)[0]}{suffix}")
    boxes = [a for a in first["annotations"] if not a["iscrowd"]]
    assert [(a["category_id"], a["bbox"]) for a in boxes] == [
        (category, box) for category, box, _ in AACHEN_INSTANCES
    ]
    assert {a["bbox_mode"] for a in boxes} == {BoxMode.XYXY_ABS}
    assert MetadataCatalog.get(name).evaluator_type == "coco"


@pytest.mark.parametrize(
    ("name", "images", "betas"),
    [
        ("cityscapes_boxes_val", 3, []),
        ("foggy_cityscapes_beta_0.005_val", 3, [0.005]),
        ("foggy_cityscapes_beta_0.01_val", 3, [0.01]),
        ("foggy_cityscapes_beta_0.02_val", 3, [0.02]),
        ("foggy_cityscapes_all_val", 9, [0.005, 0.01, 0.02]),
    ],
)
def test_cityscapes_and_its_fog_state_what_they_are(tmp_path, name, images, betas):
    write_cityscapes_tree(tmp_path / "cityscapes", "val", tuple(IMAGE_NAMES))
    records = DatasetCatalog.get(name)
    assert len({record["file_name"] for record in records}) == len(records) == images
    described = describe_dataset(name)
    assert described["betas"] == betas
    assert all(any(f"beta_{b}.png" in r["file_name"] for r in records) for b in betas)
    assert described["folder"] == str(tmp_path / "cityscapes")
    assert described["box_convention"] == "detectron2"
    assert described["thing_classes"] == list(THING_CLASSES)


def test_registering_again_keeps_the_entries_and_another_root_replaces_them(tmp_path):
    before = DatasetCatalog["cityscapes_boxes_val"]
    register_datasets()
    assert DatasetCatalog["cityscapes_boxes_val"] is before
    write_cityscapes_tree(tmp_path / "elsewhere" / "cityscapes")
    register_datasets(str(tmp_path / "elsewhere"))
    assert len(DatasetCatalog.get("cityscapes_boxes_val")) == len(PAINTED)
    described = describe_dataset("cityscapes_boxes_val")
    assert described["folder"] == str(tmp_path / "elsewhere" / "cityscapes")


def test_missing_city_tells_root_and_command(tmp_path):
    expected = f"{tmp_path}/synthetic_city/leftImg8bit_foggy/train does not exist: set DETECTRON2_"
    with pytest.raises(InputError, match=expected) as error:
        DatasetCatalog.get("synthetic_city_foggy_beta_0.02_train")
    assert "`python tools/make_synthetic_city.py --out $DETECTRON2_DATASETS/synth" in str(
        error.value
    )
    with pytest.raises(InputError, match="cityscapes/leftImg8bit/val does not exist") as error:
        DatasetCatalog.get("cityscapes_boxes_val")
    assert "make_synthetic_city" not in str(error.value)


def test_own_cityscapes_folder_in_the_other_convention(tmp_path):
    tree = write_cityscapes_tree(tmp_path / "mine", "test")
    register_cityscapes_folder(NAME, str(tree), "test", box_convention="detectron")
    first = DatasetCatalog.get(NAME)[0]["annotations"]
    assert [a["bbox"][2] for a in first] == [box[2] + 1 for _, box, _ in AACHEN_INSTANCES]
    assert describe_dataset(NAME)["box_convention"] == "detectron"
    assert describe_dataset(NAME)["folder"] == str(tree)


def test_coco_folder_loads_with_classes_ordered_by_id(tmp_path, coco):
    records = load_coco(tmp_path, coco, classes=["dog", "tram"])
    assert [record["image_id"] for record in records] == [1, 2]
    (box,) = records[0]["annotations"]
    assert (box["bbox"], box["bbox_mode"], box["category_id"]) == ([1, 2, 10, 20], 1, 0)
    assert MetadataCatalog.get(NAME).thing_classes == ["dog", "tram"]


def test_coco_folder_without_annotations_is_unlabelled(tmp_path, coco):
    del coco["annotations"]
    assert [record["annotations"] for record in load_coco(tmp_path, coco)] == [[], []]


def change(key: str, value: object, entries: str = "annotations"):
    def apply(content: dict, tmp_path: Path) -> None:
        content[entries][0][key] = value

    return apply


def remove(key: str, entries: str = "annotations"):
    def apply(content: dict, tmp_path: Path) -> None:
        del content[entries][0][key]

    return apply


def remove_image(content: dict, tmp_path: Path) -> None:
    (tmp_path / "images" / "b.jpg").unlink()


def remove_images_folder(content: dict, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "images")


def empty_categories(content: dict, tmp_path: Path) -> None:
    content["categories"] = []


@pytest.mark.parametrize(
    ("break_coco", "message"),
    [
        (change("image_id", 3), r"annotations\[0\] names the image 3"),
        (change("category_id", 1), r"annotations\[0\] has the category 1"),
        (change("bbox", [1, 2, 3]), r"annotations\[0\] has the box \[1, 2, 3\]"),
        (change("bbox", [1, 2, -3, 4]), r"annotations\[0\] has the box \[1, 2, -3, 4\]"),
        (change("bbox", [float("nan"), 2, 3, 4]), r"annotations\[0\] has the box"),
        (change("ignore", 1), r"annotations\[0\] is marked 'ignore'"),
        (remove("bbox"), r"annotations\[0\] lacks bbox"),
        (remove("file_name", "images"), r"images\[0\] lacks file_name"),
        (change("id", 2, "images"), r"images\[1\] repeats the id 2"),
        (remove_image, r"boxes.json: 1 of 2 images .* are not in .*images \(first: b.jpg\)"),
        (remove_images_folder, r"2 of 2 images"),
        (empty_categories, r"'categories' of .*boxes.json is empty"),
        (change("name", "cat", "categories"), "2 classes dog, cat where the 2 classes dog, tram"),
    ],
)
def test_bad_coco_folders_are_refused_by_entry(tmp_path, coco, break_coco, message):
    break_coco(coco, tmp_path)
    with pytest.raises(InputError, match=message):
        load_coco(tmp_path, coco, classes=["dog", "tram"])


def test_unreadable_coco_files_are_refused_by_name(tmp_path):
    register_coco_folder("absent", str(tmp_path / "absent.json"), str(tmp_path))
    with pytest.raises(InputError, match="absent.json does not exist"):
        DatasetCatalog.get("absent")
    with pytest.raises(InputError, match="boxes.json is not readable JSON"):
        load_coco(tmp_path, '{"images": [')
    DatasetCatalog.remove(NAME)
    with pytest.raises(InputError, match="boxes.json lacks the list 'images'"):
        load_coco(tmp_path, "[]")


def test_missing_camvid_names_the_folder(tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}/camvid/dusk_val does not exist: set DETEC"):
        DatasetCatalog.get("camvid_dusk_val")


@pytest.mark.skipif(not CAMVID.is_dir(), reason="the CamVid frames are not on this machine")
@pytest.mark.parametrize(("name", "images"), [("camvid_day_val", 58), ("camvid_dusk_val", 40)])
def test_camvid_frames_load(monkeypatch, name, images):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(CAMVID.parent))
    records = DatasetCatalog.get(name)
    assert len(records) == images
    assert all(Path(record["file_name"]).is_file() for record in records)
    check_class_count(3, [name, "camvid_day_train"])


def test_class_count_agrees():
    check_class_count(8, ["synthetic_city_clear_train", "foggy_cityscapes_beta_0.02_val"])


def test_class_count_of_a_coco_folder_comes_from_its_file(tmp_path, coco):
    json_file = tmp_path / "boxes.json"
    json_file.write_text(json.dumps(coco))
    register_coco_folder(NAME, str(json_file), str(tmp_path / "images"))
    check_class_count(2, [NAME])
    with pytest.raises(InputError, match=f"NUM_CLASSES is 3 but {NAME} has 2 .dog, tram.: set"):
        check_class_count(3, [NAME])


def test_wrong_class_count_names_key_and_datasets():
    with pytest.raises(
        InputError, match=r"MODEL.ROI_HEADS.NUM_CLASSES is 80 but synthetic_city_"
    ) as e:
        check_class_count(80, ["synthetic_city_clear_train"])
    assert "synthetic_city_clear_train has 8 (person, rider, car" in str(e.value)


def test_different_class_lists_are_refused_even_where_one_count_fits():
    with pytest.raises(InputError, match="must have the same classes") as error:
        check_class_count(8, ["synthetic_city_clear_train", "camvid_dusk_val"])
    assert "camvid_dusk_val has 3 (car, pedestrian, bicyclist)" in str(error.value)


def test_unknown_dataset_is_named():
    with pytest.raises(InputError, match="'synthetic_city_snow_val', which is not registered"):
        check_class_count(8, ["synthetic_city_snow_val"])


def test_cars_alone(tmp_path):
    write_cityscapes_tree(tmp_path / "cityscapes")
    records = DatasetCatalog.get("cityscapes_car_val")
    cars = [a for a in records[0]["annotations"] if not a["iscrowd"]]
    # Painted by hand in aachen_000000_000019: two cars, and one group of cars.
    assert [a["bbox"] for a in cars] == [[20, 20, 29, 34], [30, 15, 49, 34]]
    assert [a["category_id"] for a in records[0]["annotations"]] == [0, 0, 0]
    assert describe_dataset("cityscapes_car_val")["thing_classes"] == ["car"]


@pytest.mark.parametrize("name", ["cityscapes_boxes_val", "foggy_cityscapes_all_val"])
def test_each_name_of_cityscapes_has_its_other_convention(tmp_path, name):
    write_cityscapes_tree(tmp_path / "cityscapes", "val", tuple(IMAGE_NAMES))
    ours = DatasetCatalog.get(name)
    other = DatasetCatalog.get(f"{name}_detectron")
    assert describe_dataset(f"{name}_detectron")["box_convention"] == "detectron"
    assert describe_dataset(name)["betas"] == describe_dataset(f"{name}_detectron")["betas"]
    for record, wider in zip(ours, other, strict=True):
        singles = [a["bbox"] for a in record["annotations"] if not a["iscrowd"]]
        boxes = [
            [x0, y0, x1 - 1, y1 - 1] for x0, y0, x1, y1 in (a["bbox"] for a in wider["annotations"])
        ]
        assert boxes == singles


def test_kitti_and_sim10k_are_found_below_the_root(tmp_path):
    write_kitti_tree(tmp_path / "kitti")
    write_sim10k_tree(tmp_path / "sim10k")
    for name, boxes in (
        ("kitti_car_train", [10.5, 12.25, 40, 30.75]),
        ("sim10k_car_train", [0, 0, 96, 48]),
    ):
        annotation = DatasetCatalog.get(name)[0]["annotations"][0]
        assert annotation["bbox"] == boxes
        assert annotation["bbox_mode"] == BoxMode.XYXY_ABS
        assert describe_dataset(name)["thing_classes"] == ["car"]
        assert describe_dataset(name)["folder"] == str(tmp_path / name.split("_")[0])


@pytest.mark.parametrize("name", ["kitti_car_train", "sim10k_car_train"])
def test_a_missing_dataset_names_the_root(tmp_path, name):
    with pytest.raises(InputError, match=rf"DETECTRON2_DATASETS \(the root, now {tmp_path}\)"):
        DatasetCatalog.get(name)


def test_a_folder_of_images_is_a_dataset_without_boxes(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.jpg")
    register_image_folder(NAME, str(tmp_path), ["car"])
    (record,) = DatasetCatalog.get(NAME)
    assert (record["height"], record["width"], record["annotations"]) == (30, 40, [])
    check_class_count(1, [NAME, "kitti_car_train"])
    assert describe_dataset(NAME)["box_convention"] == "unlabelled"


def test_registering_reads_nothing(tmp_path):
    register_datasets(str(tmp_path / "nowhere"))
    assert {"kitti_car_train", "foggy_cityscapes_all_train_detectron"} <= set(DatasetCatalog.list())
