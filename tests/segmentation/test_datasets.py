"""Each dataset in its own layout, through MMSegmentation's pipeline; missing parts by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg")

from mmengine.registry import DefaultScope
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

import snr_plugins.segmentation.datasets
import snr_plugins.segmentation.transforms  # noqa: F401  both register their classes
from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.label_ids import CROSS_CITY_CLASSES, SYNTHIA_13_CLASSES, SYNTHIA_16_CLASSES
from snr_plugins.errors import InputError
from tests.segmentation.trees import (
    write_camvid,
    write_cross_city,
    write_gta5,
    write_image,
    write_synthia,
)
from tests.trees import HEIGHT, IMAGE_NAMES, PAINTED, WIDTH, write_cityscapes_tree

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadLabelIds"},
    {"type": "PackSegInputs", "meta_keys": ("img_path", "seg_map_path", "domain")},
]
LABELLED = {
    stem: tuple(instance for instance in instances if instance[0] != 200)
    for stem, instances in PAINTED.items()
}
CAMVID = Path(__file__).parents[3] / "shared" / "data" / "camvid"


def build(name: str, root: Path | None = None, **options):
    if root is not None:
        options.update(data_root=str(root), pipeline=PIPELINE)
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build({"type": name, **options})


def row(*ids: int) -> np.ndarray:
    return np.array([ids], dtype=np.uint8)


def labels(dataset, index: int = 0) -> list:
    return dataset[index]["data_samples"].gt_sem_seg.data[0].tolist()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_cityscapes_in_every_condition(tmp_path, condition):
    root = write_cityscapes_tree(tmp_path / "Städte im Nebel", "val", tuple(CONDITIONS), LABELLED)
    dataset = build("CityscapesLayoutDataset", root, split="val", condition=condition)
    assert dataset.metainfo["classes"] == CityscapesDataset.METAINFO["classes"]
    assert dataset.metainfo["palette"] == CityscapesDataset.METAINFO["palette"]
    assert len(dataset) == 3
    for index, stem in enumerate(sorted(LABELLED)):
        sample = dataset[index]["data_samples"]
        folder, suffix = IMAGE_NAMES[condition]
        city = stem.split("_")[0]
        assert sample.img_path == str(root / folder / "val" / city / f"{stem}{suffix}")
        assert sample.domain == condition
        # Painted by hand, in order; the class is the id without its instance number.
        expected = np.full((HEIGHT, WIDTH), 0)
        train_ids = {24: 11, 25: 12, 26: 13, 29: 255, 31: 16, 33: 18}
        for instance, left, top, right, bottom in LABELLED[stem]:
            class_id = instance if instance < 1000 else instance // 1000
            expected[top : bottom + 1, left : right + 1] = train_ids[class_id]
        assert (sample.gt_sem_seg.data[0].numpy() == expected).all()


def test_domain_can_be_named(tmp_path):
    root = write_cityscapes_tree(tmp_path, painted=LABELLED)
    dataset = build("CityscapesLayoutDataset", root, domain="real")
    assert dataset[0]["data_samples"].domain == "real"


def test_id_outside_the_table_names_the_label_file(tmp_path):
    root = write_cityscapes_tree(tmp_path, painted=PAINTED)  # one has a rectangle of 200
    with pytest.raises(InputError, match=r"bremen_000000_000019_gtFine_labelIds\.png .* ids 200,"):
        build("CityscapesLayoutDataset", root)[2]


def test_gta5(tmp_path):
    dataset = build("GTA5Dataset", write_gta5(tmp_path, row(7, 8, 0, 34, 33)))
    assert labels(dataset) == [[0, 1, 255, 255, 18]]
    assert dataset[0]["data_samples"].domain == "gta5"


def test_frames_of_gta5_that_do_not_fit_are_left_out(tmp_path):
    root = write_gta5(tmp_path, row(7))
    for name in ("15188", "17705", "15189"):
        for folder in ("images", "labels"):
            (root / folder / f"{name}.png").write_bytes((root / folder / "00001.png").read_bytes())
    frames = build("GTA5Dataset", root).load_data_list()
    assert [Path(frame["img_path"]).stem for frame in frames] == ["00001", "15189"]


def test_synthia(tmp_path):
    dataset = build("SYNTHIADataset", write_synthia(tmp_path, row(3, 21, 22, 10)))
    assert labels(dataset) == [[0, 3, 255, 11]]
    assert dataset[0]["data_samples"].domain == "synthia"


@pytest.mark.parametrize("classes", [SYNTHIA_16_CLASSES, SYNTHIA_13_CLASSES])
def test_synthia_and_cityscapes_with_the_classes_of_synthia(tmp_path, classes):
    # road, wall, traffic light, terrain, truck, train, bicycle under both datasets' ids
    names = ("road", "wall", "traffic light", "terrain", "truck", "train", "bicycle")
    expected = [[classes.index(name) if name in classes else 255 for name in names]]
    synthia = write_synthia(tmp_path / "synthia", row(3, 21, 15, 16, 18, 20, 11))
    assert labels(build("SYNTHIADataset", synthia, metainfo={"classes": classes})) == expected

    city = tmp_path / "city"
    painted = {"ulm_1_1": [(i, k, 0, k, HEIGHT) for k, i in enumerate((7, 12, 19, 22, 27, 31, 33))]}
    write_cityscapes_tree(city, painted=painted)
    dataset = build("CityscapesLayoutDataset", city, metainfo={"classes": list(classes)})
    assert labels(dataset)[0][:7] == expected[0]
    colours = dict(zip(*CityscapesDataset.METAINFO.values(), strict=True))
    assert dataset.metainfo["palette"] == [colours[name] for name in classes]


def test_cross_city(tmp_path):
    root = write_cross_city(tmp_path, "Rio", row(7, 12, 26, 33, 255))
    dataset = build("CrossCityDataset", root, city="Rio")
    assert labels(dataset) == [[0, 255, 13, 18, 255]]  # as Cityscapes; walls are not labelled
    assert dataset[0]["data_samples"].domain == "Rio"
    assert dataset.metainfo["classes"] == CityscapesDataset.METAINFO["classes"]
    dataset = build("CrossCityDataset", root, city="Rio", metainfo={"classes": CROSS_CITY_CLASSES})
    assert labels(dataset) == [[0, 255, 9, 12, 255]]


def test_training_images_of_cross_city_have_no_labels(tmp_path):
    root = write_cross_city(tmp_path, "Rio", row(7))
    frames = build("CrossCityDataset", root, city="Rio", split="Train").load_data_list()
    assert [Path(frame["img_path"]).name for frame in frames] == ["pano_1.png"]
    assert "seg_map_path" not in frames[0]


def test_camvid(tmp_path):
    dataset = build("CamVidDataset", write_camvid(tmp_path, "dusk", row(0, 10, 255)), split="dusk")
    assert labels(dataset) == [[0, 10, 255]]
    assert dataset[0]["data_samples"].domain == "dusk"
    assert dataset.metainfo["classes"][10] == "bicyclist"
    assert len(dataset.metainfo["palette"]) == 11


def test_photometric_by_one_word(tmp_path):
    """The colours of the images change, their labels do not."""
    root = write_camvid(tmp_path, "dusk", row(0, 10, 255))
    plain, other = (
        build("CamVidDataset", root, split="dusk", photometric=photometric)
        for photometric in (False, True)
    )
    np.random.seed(0)
    seen = [[dataset[0]["inputs"].tolist() for _ in range(8)] for dataset in (plain, other)]
    assert [sum(image != seen[0][0] for image in images) > 4 for images in seen] == [False, True]
    assert labels(other) == labels(plain) == [[0, 10, 255]]


@pytest.mark.skipif(not CAMVID.is_dir(), reason="the CamVid frames are not here")
def test_real_camvid_frames():
    dataset = build("CamVidDataset", CAMVID, split="dusk_val")
    assert len(dataset) == 40
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 360, 480)
    assert set(sample["data_samples"].gt_sem_seg.data.unique().tolist()) <= {*range(11), 255}


def test_datasets_of_the_same_classes_concatenate(tmp_path):
    write_cityscapes_tree(tmp_path / "city", "val", ("clear", "rain"), LABELLED)
    parts = [
        {"type": "CityscapesLayoutDataset", "data_root": str(tmp_path / "city")},
        {
            "type": "CityscapesLayoutDataset",
            "data_root": str(tmp_path / "city"),
            "condition": "rain",
        },
        {"type": "GTA5Dataset", "data_root": str(write_gta5(tmp_path / "gta", row(7)))},
        {"type": "SYNTHIADataset", "data_root": str(write_synthia(tmp_path / "syn", row(3)))},
    ]
    for part in parts:
        part["pipeline"] = PIPELINE
    for classes in (None, SYNTHIA_16_CLASSES):
        metainfo = {"classes": classes} if classes else None
        both = build("ConcatDataset", datasets=[{**part, "metainfo": metainfo} for part in parts])
        domains = [both[index]["data_samples"].domain for index in range(len(both))]
        assert domains == ["clear"] * 3 + ["rain"] * 3 + ["gta5", "synthia"]


def test_labels_are_not_needed_where_none_is_wanted(tmp_path):
    write_image(tmp_path / "images" / "1.png", (2, 2))
    write_image(tmp_path / "images" / "2.png", (2, 2))
    with pytest.raises(InputError, match=r"2 of 2 images in .*images have no .*labels/1\.png"):
        build("GTA5Dataset", tmp_path)
    frames = build("GTA5Dataset", tmp_path, labelled=False).load_data_list()
    assert len(frames) == 2 and "seg_map_path" not in frames[0]


@pytest.mark.parametrize(
    ("name", "options", "folder", "suffix"),
    [
        ("CityscapesLayoutDataset", {}, "leftImg8bit/val", "_leftImg8bit.png"),
        (
            "CityscapesLayoutDataset",
            {"split": "train", "condition": "foggy_beta_0.02"},
            "leftImg8bit_foggy/train",
            "_leftImg8bit_foggy_beta_0.02.png",
        ),
        ("GTA5Dataset", {}, "images", ".png"),
        ("SYNTHIADataset", {}, "RGB", ".png"),
        ("CrossCityDataset", {"city": "Rome"}, "Rome/Images/Test", ".png"),
        ("CamVidDataset", {"split": "day"}, "day/images", ".jpg"),
    ],
)
def test_missing_or_empty_folder_is_named_with_the_expected_tree(
    tmp_path, name, options, folder, suffix
):
    root = tmp_path / "mes données"
    expected = rf"{root / folder} does not exist: data_root must hold {folder}.*\*{suffix}"
    with pytest.raises(InputError, match=expected):
        build(name, root, **options)
    write_image(root / folder / "image.bmp", (2, 2))
    with pytest.raises(InputError, match=rf"No image \*{suffix} lies in {root / folder}: "):
        build(name, root, **options)
    # Names and classes are there without the data, as MMEngine's lazy_init promises.
    assert build(name, root, **options, lazy_init=True).metainfo["classes"]


def test_unknown_condition_and_city():
    with pytest.raises(InputError, match="'haze': choose from clear, foggy_beta_0.005"):
        build("CityscapesLayoutDataset", condition="haze")
    with pytest.raises(InputError, match="'Bonn': choose from Rio, Rome, Taipei, Tokyo"):
        build("CrossCityDataset", city="Bonn")
