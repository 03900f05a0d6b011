"""How each dataset lies on disk: the one table that loaders, checks and makers share.

Counts are those that the papers named in ``citation`` publish.
"""

from __future__ import annotations

from snr_plugins.data.conditions import CONDITIONS, FOGGY, Condition
from snr_plugins.data.field_layouts import FIELD_LAYOUTS
from snr_plugins.data.file_kinds import INSTANCE_IDS, LABEL_IDS, FileKind
from snr_plugins.data.layout import KITTI_TEXT, VOC_XML, Layout

CROSS_CITY_CITIES = ("Rio", "Rome", "Taipei", "Tokyo")

_SEGMENTATION_TESTS = (
    "target of configs/segmentation/*_gta5*.py",
    "target of configs/segmentation/*_synthia*.py",
)
_TO_FOGGY = "configs/detection/faster_rcnn_*_cityscapes_to_foggy*.yaml"


def _cityscapes(name: str, conditions: tuple[str, ...], **options) -> Layout:
    return Layout(
        name=name,
        conditions=tuple(CONDITIONS[condition] for condition in conditions),
        labels=LABEL_IDS,
        table="cityscapes",
        instances=INSTANCE_IDS,
        nested=True,
        one_size=True,
        **options,
    )


_FOGGY_PAPER = "Sakaridis, Dai, Van Gool, IJCV 2018, arXiv 1708.07819"

_ALL = (
    _cityscapes(
        "cityscapes",
        ("clear",),
        folder="cityscapes",
        splits={"train": 2975, "val": 500},
        citation="Cordts et al., CVPR 2016, arXiv 1604.01685",
        experiments=(
            f"source of {_TO_FOGGY}",
            "source of configs/detection/faster_rcnn_*_cityscapes_to_kitti*.yaml",
            "source of configs/detection/faster_rcnn_*_cityscapes_to_bdd100k*.yaml",
            "source of configs/detection/faster_rcnn_*_cityscapes_to_rtts*.yaml",
            "target of configs/detection/faster_rcnn_*_kitti_to_cityscapes*.yaml",
            "target of configs/detection/faster_rcnn_*_sim10k_to_cityscapes*.yaml",
            *_SEGMENTATION_TESTS,
        ),
    ),
    *(
        _cityscapes(
            f"foggy_cityscapes_{name.removeprefix('foggy_')}",
            (name,),
            folder="cityscapes",
            splits={"train": 2975, "val": 500},
            citation=_FOGGY_PAPER,
            experiments=(f"target of {_TO_FOGGY}", *_SEGMENTATION_TESTS)
            if name == "foggy_beta_0.02"
            else (),
        )
        for name in FOGGY
    ),
    _cityscapes(
        "foggy_cityscapes_all",
        FOGGY,
        folder="cityscapes",
        splits={"train": 8925, "val": 1500},
        citation=_FOGGY_PAPER,
        experiments=(f"target of {_TO_FOGGY}", *_SEGMENTATION_TESTS),
    ),
    _cityscapes(
        "synthetic_city",
        tuple(CONDITIONS),
        folder="synthetic_city",
        splits={"train": None, "val": None},
        any_conditions=True,
        citation="tools/make_synthetic_city.py",
        experiments=(
            "source and targets of configs/detection/*_synthetic_city*",
            "source and targets of configs/segmentation/*_synthetic_city*.py",
        ),
    ),
    Layout(
        name="kitti",
        folder="kitti",
        splits={"train": 7481},
        conditions=(Condition("training/image_2", ".png"),),
        labels=FileKind("training/label_2", ".txt"),
        label_kind=KITTI_TEXT,
        citation="Geiger, Lenz, Urtasun, CVPR 2012",
        experiments=(
            "source of configs/detection/faster_rcnn_*_kitti_to_cityscapes*.yaml",
            "target of configs/detection/faster_rcnn_*_cityscapes_to_kitti*.yaml",
        ),
    ),
    Layout(
        name="sim10k",
        folder="sim10k",
        splits={"train": 10000},
        conditions=(Condition("VOC2012/JPEGImages", ".jpg"),),
        labels=FileKind("VOC2012/Annotations", ".xml"),
        label_kind=VOC_XML,
        citation="Johnson-Roberson et al., ICRA 2017, arXiv 1610.01983",
        experiments=("source of configs/detection/faster_rcnn_*_sim10k_to_cityscapes*.yaml",),
    ),
    Layout(
        name="gta5",
        folder="gta5",
        splits={"train": 24966},
        conditions=(Condition("images", ".png"),),
        labels=FileKind("labels", ".png"),
        table="gta5",
        left_out=("15188", "17705"),
        citation="Richter et al., ECCV 2016, arXiv 1608.02192",
        experiments=("source of configs/segmentation/*_gta5*.py",),
    ),
    Layout(
        name="synthia",
        folder="synthia",
        splits={"train": 9400},
        conditions=(Condition("RGB", ".png"),),
        labels=FileKind("GT/LABELS", ".png"),
        table="synthia",
        one_size=True,
        citation="Ros et al., CVPR 2016",
        experiments=("source of configs/segmentation/*_synthia*.py",),
    ),
    Layout(
        name="cross_city",
        folder="cross_city",
        splits={
            f"{city}/{part}": count
            for city in CROSS_CITY_CITIES
            for part, count in (("Train", 3200), ("Test", 100))
        },
        conditions=(Condition("{city}/Images/{part}", ".png"),),
        labels=FileKind("{city}/Labels/{part}", "_eval.png"),
        table="cross_city",
        one_size=True,
        unlabelled=tuple(f"{city}/Train" for city in CROSS_CITY_CITIES),
        citation="Chen et al., ICCV 2017, arXiv 1704.08509",
        experiments=_SEGMENTATION_TESTS,
    ),
    Layout(
        name="camvid",
        folder="camvid",
        splits={"day_train": None, "day_val": None, "dusk_val": None},
        conditions=(Condition("{split}/images", ".jpg"),),
        labels=FileKind("{split}/labels", ".png"),
        table="camvid",
        one_size=True,
        other_suffixes=(".png",),
        citation="Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009",
        experiments=(
            "source and targets of configs/detection/*_camvid*.yaml",
            "source and targets of configs/segmentation/*_camvid*.py",
        ),
    ),
)
LAYOUTS = {layout.name: layout for layout in (*_ALL, *FIELD_LAYOUTS)}

# Any folder in Cityscapes' layout, whichever dataset lies in it: each condition by itself.
CITYSCAPES_IN = {
    name: _cityscapes("cityscapes_layout", (name,), folder="", splits={}) for name in CONDITIONS
}
