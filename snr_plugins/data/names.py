"""The names that detection configs give to datasets: one table to register by and to check by.

    synthetic_city_<condition>_<split>
    cityscapes_boxes_<split>, cityscapes_car_<split>
    foggy_cityscapes_beta_<beta>_<split>, foggy_cityscapes_all_<split>
    kitti_car_train, sim10k_car_train
    camvid_<split>
    diverse_weather_daytime_clear_{train,test}, diverse_weather_<target>_train
    bdd100k_<split>, bdd100k_{daytime,night}_<split>, each followed by _2018 for the labels of 2018
    cityscapes_bdd100k_<split>, cityscapes_rtts_<split>: the classes that these have in common
    rtts_test

Each name of Cityscapes stands once more, followed by _detectron, for the other box convention.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from snr_plugins.data.bdd100k import BDD100K_CLASSES
from snr_plugins.data.conditions import CONDITIONS, FOGGY
from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.data.layout import Layout
from snr_plugins.data.layouts import LAYOUTS

CAR = ("car",)
CAMVID_BOX_CLASSES = ("car", "pedestrian", "bicyclist")
DIVERSE_WEATHER_CLASSES = ("bus", "bike", "car", "motor", "person", "rider", "truck")
# By Cityscapes' names, so that one network is tested on both
RTTS_CLASSES = ("person", "car", "bus", "motorcycle", "bicycle")
# Class names in label files that are not those of the classes
_NAMES_IN_FILES = {"rtts": {"motorcycle": "motorbike"}}


@dataclass(frozen=True)
class NamedDataset:
    """What a name stands for.

    Args:
        name: for DATASETS.TRAIN and DATASETS.TEST.
        layout: one of ``LAYOUTS``, cut down to the conditions that the name has.
        split: one of the layout's.
        conditions: the looks that its images show; one of CamVid's is the time of day.
        classes: of its boxes, in the order of their ids.
        box_convention: what scores made with these boxes must state.
    """

    name: str
    layout: Layout
    split: str
    conditions: tuple[str, ...]
    classes: tuple[str, ...]
    box_convention: str

    @property
    def categories(self) -> dict[str, int]:
        """Category id of each class, by its name in the label files."""
        renamed = _NAMES_IN_FILES.get(self.layout.name, {})
        return {renamed.get(name, name): index for index, name in enumerate(self.classes)}


def _synthetic_city() -> Iterator[NamedDataset]:
    city = LAYOUTS["synthetic_city"]
    for split in city.splits:
        for condition in CONDITIONS:
            name = f"{city.name}_{condition}_{split}"
            layout = city.only((condition,))
            yield NamedDataset(name, layout, split, (condition,), THING_CLASSES, "detectron2")


def _cityscapes() -> Iterator[NamedDataset]:
    kinds = [
        ("cityscapes_boxes", "cityscapes", THING_CLASSES),
        ("cityscapes_car", "cityscapes", CAR),
        ("cityscapes_bdd100k", "cityscapes", BDD100K_CLASSES),
        ("cityscapes_rtts", "cityscapes", RTTS_CLASSES),
        *(
            (name, name, THING_CLASSES)
            for name in (f"foggy_cityscapes_{fog.removeprefix('foggy_')}" for fog in FOGGY)
        ),
        ("foggy_cityscapes_all", "foggy_cityscapes_all", THING_CLASSES),
    ]
    for kind, layout_name, classes in kinds:
        layout = LAYOUTS[layout_name]
        conditions = tuple(condition.name for condition in layout.conditions)
        for split in layout.splits:
            for ending, convention in (("", "detectron2"), ("_detectron", "detectron")):
                name = f"{kind}_{split}{ending}"
                yield NamedDataset(name, layout, split, conditions, classes, convention)


def _others() -> Iterator[NamedDataset]:
    for name, convention in (("kitti", "kitti, DontCare as crowd"), ("sim10k", "voc")):
        layout = LAYOUTS[name]
        yield NamedDataset(f"{name}_car_train", layout, "train", ("clear",), CAR, convention)
    camvid = LAYOUTS["camvid"]
    for split in camvid.splits:
        time_of_day = split.split("_")[0]
        yield NamedDataset(
            f"camvid_{split}", camvid, split, (time_of_day,), CAMVID_BOX_CLASSES, "coco"
        )


def _field() -> Iterator[NamedDataset]:
    weather = LAYOUTS["diverse_weather"]
    for split in weather.splits:
        yield NamedDataset(
            f"diverse_weather_{split.replace('/', '_')}",
            weather,
            split,
            (split.split("/")[0],),
            DIVERSE_WEATHER_CLASSES,
            "voc",
        )
    for layout_name, ending, labels in (
        ("bdd100k", "", "det_20"),
        ("bdd100k_2018", "_2018", "2018"),
    ):
        layout = LAYOUTS[layout_name]
        for split in layout.splits:
            for times in ((), ("daytime",), ("night",)):
                name = "_".join(("bdd100k", *times, split)) + ending
                convention = f"bdd100k {labels}, width x2 - x1"
                yield NamedDataset(name, layout, split, times, BDD100K_CLASSES, convention)
    yield NamedDataset("rtts_test", LAYOUTS["rtts"], "test", ("real fog",), RTTS_CLASSES, "voc")


DETECTION_DATASETS = {
    dataset.name: dataset for dataset in (*_synthetic_city(), *_cityscapes(), *_others(), *_field())
}


@cache
def box_names(layout_name: str) -> tuple[str, ...]:
    """The class names that are read of a layout's label files; empty where no dataset has it."""
    datasets = [d for d in DETECTION_DATASETS.values() if d.layout.name == layout_name]
    return tuple(dict.fromkeys(name for dataset in datasets for name in dataset.categories))
