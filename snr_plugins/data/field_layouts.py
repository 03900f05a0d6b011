"""How the datasets lie on disk that domain generalisation is tested on today.

Diverse Weather, BDD100K, Mapillary Vistas, ACDC and RTTS; `snr_plugins.data.layouts` has the one
table of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from snr_plugins.data.conditions import Condition
from snr_plugins.data.file_kinds import FileKind
from snr_plugins.data.layout import BDD_JSON, VOC_XML, Layout

# Where Single-DGOD is trained, and what it is tested on
DIVERSE_WEATHER_SOURCE = "daytime_clear"
DIVERSE_WEATHER_TARGETS = {
    "night_sunny": 26158,
    "dusk_rainy": 3501,
    "night_rainy": 2494,
    "daytime_foggy": 3775,
}
ACDC_CONDITIONS = ("fog", "night", "rain", "snow")

_GTA5_TO_CBM = "target of configs/segmentation/*_gta5_to_cbm*.py"


def _voc_tree(folder: str) -> dict:
    return {
        "conditions": (Condition(f"{folder}/VOC2007/JPEGImages", ".jpg"),),
        "labels": FileKind(f"{folder}/VOC2007/Annotations", ".xml"),
        "lists": FileKind(f"{folder}/VOC2007/ImageSets/Main/{{part}}", ".txt"),
    }


def _diverse_weather() -> Layout:
    flat = Layout(
        name="diverse_weather",
        folder="diverseWeather",
        splits={
            f"{DIVERSE_WEATHER_SOURCE}/train": 19395,
            f"{DIVERSE_WEATHER_SOURCE}/test": 8313,
            # a target's train.txt holds all its images, and is what everybody tests on
            **{f"{name}/train": count for name, count in DIVERSE_WEATHER_TARGETS.items()},
        },
        **_voc_tree("{city}"),
        label_kind=VOC_XML,
        any_spelling=True,
        drops_empty_boxes=True,
        citation="Wu, Deng, CVPR 2022",
        experiments=("source and targets of configs/detection/*_diverse_weather*.yaml",),
    )
    # As the archives unpack: Daytime_Sunny/daytime_clear, Night-Sunny/night_sunny and so on
    nested = (_voc_tree("daytime_sunny/{city}"), _voc_tree("{city}/{city}"))
    return replace(flat, variants=tuple(replace(flat, **tree) for tree in nested))


def _bdd100k() -> Iterator[Layout]:
    for name, labels, uses in (
        (
            "bdd100k",
            FileKind("labels/det_20/det_{split}", ".json"),
            ("target of configs/detection/*_cityscapes_to_bdd100k*.yaml",),
        ),
        ("bdd100k_2018", FileKind("labels/bdd100k_labels_images_{split}", ".json"), ()),
    ):
        yield Layout(
            name=name,
            folder="bdd100k",
            splits={"train": 70000, "val": 10000},
            conditions=(Condition("images/100k/{split}", ".jpg"),),
            labels=labels,
            label_kind=BDD_JSON,
            drops_empty_boxes=True,
            citation="Yu et al., CVPR 2020, arXiv 1805.04687",
            experiments=uses,
        )


def _bdd100k_seg() -> Layout:
    new = Layout(
        name="bdd100k_seg",
        folder="bdd100k",
        splits={"train": 7000, "val": 1000},
        conditions=(Condition("images/10k/{split}", ".jpg"),),
        labels=FileKind("labels/sem_seg/masks/{split}", ".png"),
        table="cityscapes_train_ids",
        one_size=True,
        citation="Yu et al., CVPR 2020, arXiv 1805.04687",
        experiments=(_GTA5_TO_CBM,),
    )
    # The archive of 2018, from the folder that holds it and from within
    old = tuple(
        replace(
            new,
            conditions=(Condition(f"{folder}images/{{split}}", ".jpg"),),
            labels=FileKind(f"{folder}labels/{{split}}", "_train_id.png"),
        )
        for folder in ("seg/", "")
    )
    return replace(new, variants=old)


def _mapillary() -> Layout:
    first = Layout(
        name="mapillary",
        folder="mapillary",
        splits={"training": 18000, "validation": 2000},
        conditions=(Condition("{split}/images", ".jpg"),),
        labels=FileKind("{split}/v1.2/labels", ".png"),
        table="mapillary_robustnet",
        citation="Neuhold et al., ICCV 2017",
        experiments=(_GTA5_TO_CBM,),
    )
    return replace(first, variants=(replace(first, labels=FileKind("{split}/labels", ".png")),))


_ACDC = Layout(
    name="acdc",
    folder="acdc",
    splits={
        f"{condition}/{split}": count
        for condition in ACDC_CONDITIONS
        for split, count in (
            ("train", 400),
            ("val", 106 if condition == "night" else 100),
            ("test", 500),
        )
    },
    conditions=(Condition("rgb_anon/{split}", "_rgb_anon.png"),),
    labels=FileKind("gt/{split}", "_gt_labelIds.png"),
    table="cityscapes",
    nested=True,
    one_size=True,
    unlabelled=tuple(f"{condition}/test" for condition in ACDC_CONDITIONS),
    citation="Sakaridis, Dai, Van Gool, ICCV 2021, arXiv 2104.13395",
    experiments=("target of configs/segmentation/*_gta5_to_acdc*.py",),
)

_RTTS = Layout(
    name="rtts",
    folder="RTTS",
    splits={"test": 4322},
    conditions=(Condition("JPEGImages", ".png"),),
    labels=FileKind("Annotations", ".xml"),
    label_kind=VOC_XML,
    drops_empty_boxes=True,
    citation="Li et al., IEEE Transactions on Image Processing 2019, arXiv 1712.04143",
    experiments=("target of configs/detection/*_cityscapes_to_rtts*.yaml",),
)

FIELD_LAYOUTS = (
    _diverse_weather(),
    *_bdd100k(),
    _bdd100k_seg(),
    _mapillary(),
    _ACDC,
    _RTTS,
)
