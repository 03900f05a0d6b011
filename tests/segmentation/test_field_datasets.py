"""BDD100K, Mapillary Vistas and ACDC through MMSegmentation's pipeline, in each of their trees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmseg")

from mmengine.registry import DefaultScope
from mmseg.datasets import CityscapesDataset, MapillaryDataset_v1
from mmseg.registry import DATASETS

import snr_plugins.segmentation.field_datasets  # noqa: F401  registers
from snr_plugins.data.label_ids import UNKNOWN, VOID, lookup_table
from snr_plugins.errors import InputError
from tests.field_trees import (
    write_acdc,
    write_bdd100k_seg,
    write_mapillary,
)

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadLabelIds"},
    {"type": "PackSegInputs", "meta_keys": ("img_path", "seg_map_path", "domain")},
]
# What both mappings share, by the names that MMSegmentation lists, then what each has of its own.
OF_NAME = {
    "Road": "road",
    "Lane Marking - General": "road",
    "Curb": "sidewalk",
    "Sidewalk": "sidewalk",
    "Building": "building",
    "Wall": "wall",
    "Fence": "fence",
    "Pole": "pole",
    "Utility Pole": "pole",
    "Traffic Light": "traffic light",
    "Traffic Sign (Front)": "traffic sign",
    "Vegetation": "vegetation",
    "Terrain": "terrain",
    "Sky": "sky",
    "Person": "person",
    "Bicyclist": "rider",
    "Motorcyclist": "rider",
    "Other Rider": "rider",
    "Car": "car",
    "Truck": "truck",
    "Bus": "bus",
    "On Rails": "train",
    "Motorcycle": "motorcycle",
    "Bicycle": "bicycle",
}
ROBUSTNET_ALONE = {"Manhole": "road"}
REIN_ALONE = {
    "Bike Lane": "road",
    "Crosswalk - Plain": "road",
    "Parking": "road",
    "Service Lane": "road",
    "Lane Marking - Crosswalk": "road",
    "Curb Cut": "sidewalk",
    "Pedestrian Area": "sidewalk",
    "Street Light": "pole",
    "Traffic Sign Frame": "traffic sign",
    "Traffic Sign (Back)": "traffic sign",
}


def build(name: str, root: Path, **options):
    options = {"data_root": str(root), "pipeline": PIPELINE, **options}
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build({"type": name, **options})


def labels(dataset, index: int = 0) -> list:
    return dataset[index]["data_samples"].gt_sem_seg.data[0].tolist()


def row(*ids: int) -> np.ndarray:
    return np.array([ids], dtype=np.uint8)


@pytest.mark.parametrize(
    ("mapping", "alone", "count"), [("robustnet", ROBUSTNET_ALONE, 25), ("rein", REIN_ALONE, 34)]
)
def test_mapillarys_mappings_are_those_of_the_names(mapping, alone, count):
    names = MapillaryDataset_v1.METAINFO["classes"]  # by id
    classes = CityscapesDataset.METAINFO["classes"]
    of_name = {**OF_NAME, **alone}
    assert len(of_name) == count and len(names) == 66
    expected = [classes.index(of_name[name]) if name in of_name else VOID for name in names]
    table = lookup_table(f"mapillary_{mapping}")
    assert table[:66].tolist() == expected
    assert set(table[66:]) == {UNKNOWN}


@pytest.mark.parametrize("folder", ["labels", "v1.2/labels"])
def test_mapillary_in_both_trees(tmp_path, folder):
    root = write_mapillary(tmp_path, row(13, 41, 8, 44, 65), folder)
    if folder != "labels":
        write_mapillary(root, row(123, 0, 0, 0, 0), "v2.0/labels")
    dataset = build("MapillaryVistasDataset", root)
    assert labels(dataset) == [[0, 0, 255, 255, 255]]
    assert dataset[0]["data_samples"].domain == "mapillary"
    dataset = build("MapillaryVistasDataset", root, mapping="rein")
    assert labels(dataset) == [[0, 255, 0, 5, 255]]
    assert dataset.layout.table == "mapillary_rein"


def test_mapillary_of_v2_alone_and_other_mappings_are_refused(tmp_path):
    root = write_mapillary(tmp_path, row(123), "v2.0/labels")
    with pytest.raises(InputError, match=r"validation holds labels of Mapillary Vistas v2\.0 alo"):
        build("MapillaryVistasDataset", root)
    assert len(build("MapillaryVistasDataset", root, labelled=False)) == 1
    with pytest.raises(InputError, match="mapping='mine': choose from robustnet, rein"):
        build("MapillaryVistasDataset", root, mapping="mine")


def test_labels_of_v2_in_the_place_of_v1_are_refused_when_read(tmp_path):
    dataset = build("MapillaryVistasDataset", write_mapillary(tmp_path, row(13, 123)))
    with pytest.raises(InputError, match="holds the ids 123, which the table 'mapillary_robustnet"):
        dataset[0]


@pytest.mark.parametrize("tree", ["new", "old", "old, from within"])
def test_bdd100k_in_every_tree(tmp_path, tree):
    dataset = build("BDD100KSegDataset", write_bdd100k_seg(tmp_path, row(0, 18, 255), tree))
    assert labels(dataset) == [[0, 18, 255]]
    assert dataset[0]["data_samples"].domain == "bdd100k"


def test_bdd100k_with_ids_of_cityscapes_is_refused(tmp_path):
    dataset = build("BDD100KSegDataset", write_bdd100k_seg(tmp_path, row(0, 33)))
    with pytest.raises(InputError, match="holds the ids 33, which the table 'cityscapes_train_ids"):
        dataset[0]


@pytest.mark.parametrize("condition", ["fog", "night", "rain", "snow"])
def test_acdc(tmp_path, condition):
    root = write_acdc(tmp_path, condition, row(7, 26, 0))
    dataset = build("ACDCDataset", root, condition=condition)
    assert labels(dataset) == [[0, 13, 255]]
    assert dataset[0]["data_samples"].domain == f"acdc_{condition}"
    write_acdc(root, condition, row(7), "test")
    frames = build("ACDCDataset", root, condition=condition, split="test").load_data_list()
    assert len(frames) == 1 and "seg_map_path" not in frames[0]
    with pytest.raises(InputError, match="'haze': choose from fog, night, rain, snow"):
        build("ACDCDataset", root, condition="haze")


@pytest.mark.parametrize(
    ("name", "options", "folder"),
    [
        ("BDD100KSegDataset", {}, "images/10k/val"),
        ("MapillaryVistasDataset", {"split": "training"}, "training/images"),
        ("ACDCDataset", {"condition": "fog"}, "rgb_anon/fog/val"),
    ],
)
def test_a_missing_folder_is_named_and_nothing_is_read_before(tmp_path, name, options, folder):
    with pytest.raises(InputError, match=rf"{tmp_path / folder} does not exist: data_root must"):
        build(name, tmp_path, **options)
    assert build(name, tmp_path, **options, lazy_init=True).metainfo["classes"]


def test_one_loader_for_all(tmp_path):
    parts = [
        {"type": "BDD100KSegDataset", "data_root": str(write_bdd100k_seg(tmp_path / "b", row(0)))},
        {
            "type": "MapillaryVistasDataset",
            "data_root": str(write_mapillary(tmp_path / "m", row(13))),
        },
        {
            "type": "ACDCDataset",
            "data_root": str(write_acdc(tmp_path / "a", "fog", row(7))),
            "condition": "fog",
        },
    ]
    with DefaultScope.overwrite_default_scope("mmseg"):
        both = DATASETS.build(
            {"type": "DomainConcatDataset", "datasets": parts, "pipeline": PIPELINE}
        )
    domains = [both[index]["data_samples"].domain for index in range(3)]
    assert domains == ["bdd100k", "mapillary", "acdc_fog"]
    assert [labels(both, index) for index in range(3)] == [[[0]]] * 3
