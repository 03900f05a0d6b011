"""How each dataset lies on disk: the one description that loaders and checks share.

Counts are those that the papers named in ``citation`` publish.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from snr_plugins.data.cityscapes import CONDITIONS
from snr_plugins.data.frames import Frame, list_frames

CITIES = ("Rio", "Rome", "Taipei", "Tokyo")  # of Cross-City

# What the label files of a layout hold.
IDS, KITTI_TEXT, VOC_XML = "label ids", "KITTI text", "VOC XML"

_SEGMENTATION_TESTS = (
    "target of configs/segmentation/*_gta5*.py",
    "target of configs/segmentation/*_synthia*.py",
)
_TO_FOGGY = "configs/detection/faster_rcnn_*_cityscapes_to_foggy*.yaml"


@dataclass(frozen=True)
class Variant:
    """One of the images that share a label: a kind of weather, or the only image.

    Args:
        name: what messages call it.
        folder: folder of the images below the root; ``{split}`` stands for the split, ``{city}``
            and ``{part}`` for what lies before and after its slash.
        suffix: what follows the frame's stem in a file name.
    """

    name: str
    folder: str
    suffix: str


@dataclass(frozen=True)
class Layout:
    """Where a dataset's images and labels lie, and what they hold.

    Args:
        name: what ``tools/check_data.py`` takes.
        folder: its folder below DETECTRON2_DATASETS.
        splits: number of images published for each split; None where any number is right.
        variants: the images that each label file belongs to.
        label_folder: folder of the labels below the root, with the fields of ``Variant.folder``.
        label_suffix: what follows the frame's stem in the name of a label file.
        label_kind: one of ``IDS``, ``KITTI_TEXT`` and ``VOC_XML``.
        table: of `snr_plugins.data.label_ids`, where the labels hold ids.
        nested: whether the images lie in one folder per city.
        any_variants: whether variants may be absent as a whole.
        unlabelled: splits that have no labels.
        one_size: whether all images have one size.
        left_out: stems of frames whose label does not fit; the loaders leave them out.
        citation: where it was published.
        experiments: what it is for, as "role of configs/<pattern>".
    """

    name: str
    folder: str
    splits: dict[str, int | None]
    variants: tuple[Variant, ...]
    label_folder: str
    label_suffix: str
    label_kind: str = IDS
    table: str = ""
    nested: bool = False
    any_variants: bool = False
    unlabelled: tuple[str, ...] = ()
    one_size: bool = False
    left_out: tuple[str, ...] = ()
    citation: str = ""
    experiments: tuple[str, ...] = ()

    def image_folder(self, split: str, variant: int = 0) -> str:
        """Folder of a split's images, below the root."""
        return _fill(self.variants[variant].folder, split)

    def labels_of(self, split: str) -> str:
        """Folder of a split's labels, below the root."""
        return _fill(self.label_folder, split)

    def frames(self, root: Path, split: str, mend: str, variant: int = 0) -> list[Frame]:
        """All images of a split with their labels, see `snr_plugins.data.frames.list_frames`."""
        return list_frames(
            root / self.image_folder(split, variant),
            self.variants[variant].suffix,
            root / self.labels_of(split),
            self.label_suffix,
            self.nested,
            mend,
        )


def _fill(folder: str, split: str) -> str:
    city, _, part = split.partition("/")
    return folder.format(split=split, city=city, part=part)


def _condition(name: str) -> Variant:
    condition = CONDITIONS[name]
    return Variant(name, f"{condition.folder}/{{split}}", condition.suffix)


def _cityscapes(name: str, conditions: tuple[str, ...], **options) -> Layout:
    return Layout(
        name=name,
        variants=tuple(_condition(condition) for condition in conditions),
        label_folder="gtFine/{split}",
        label_suffix="_gtFine_labelIds.png",
        table="cityscapes",
        nested=True,
        one_size=True,
        **options,
    )


_FOG = tuple(name for name, condition in CONDITIONS.items() if condition.beta is not None)
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
        for name in _FOG
    ),
    _cityscapes(
        "foggy_cityscapes_all",
        _FOG,
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
        any_variants=True,
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
        variants=(Variant("image", "training/image_2", ".png"),),
        label_folder="training/label_2",
        label_suffix=".txt",
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
        variants=(Variant("image", "VOC2012/JPEGImages", ".jpg"),),
        label_folder="VOC2012/Annotations",
        label_suffix=".xml",
        label_kind=VOC_XML,
        citation="Johnson-Roberson et al., ICRA 2017, arXiv 1610.01983",
        experiments=("source of configs/detection/faster_rcnn_*_sim10k_to_cityscapes*.yaml",),
    ),
    Layout(
        name="gta5",
        folder="gta5",
        splits={"train": 24966},
        variants=(Variant("image", "images", ".png"),),
        label_folder="labels",
        label_suffix=".png",
        table="gta5",
        left_out=("15188", "17705"),
        citation="Richter et al., ECCV 2016, arXiv 1608.02192",
        experiments=("source of configs/segmentation/*_gta5*.py",),
    ),
    Layout(
        name="synthia",
        folder="synthia",
        splits={"train": 9400},
        variants=(Variant("image", "RGB", ".png"),),
        label_folder="GT/LABELS",
        label_suffix=".png",
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
            for city in CITIES
            for part, count in (("Train", 3200), ("Test", 100))
        },
        variants=(Variant("image", "{city}/Images/{part}", ".png"),),
        label_folder="{city}/Labels/{part}",
        label_suffix="_eval.png",
        table="cross_city",
        one_size=True,
        unlabelled=tuple(f"{city}/Train" for city in CITIES),
        citation="Chen et al., ICCV 2017, arXiv 1704.08509",
        experiments=_SEGMENTATION_TESTS,
    ),
    Layout(
        name="camvid",
        folder="camvid",
        splits={"day_train": None, "day_val": None, "dusk_val": None},
        variants=(Variant("image", "{split}/images", ".jpg"),),
        label_folder="{split}/labels",
        label_suffix=".png",
        table="camvid",
        one_size=True,
        citation="Brostow, Fauqueur, Cipolla, Pattern Recognition Letters 2009",
        experiments=(
            "source and targets of configs/detection/*_camvid*.yaml",
            "source and targets of configs/segmentation/*_camvid*.py",
        ),
    ),
)
LAYOUTS = {layout.name: layout for layout in _ALL}

# Cityscapes' folder, each kind of weather by itself, for the names of ``CONDITIONS``.
CITYSCAPES_IN = {
    name: replace(LAYOUTS["synthetic_city"], variants=(_condition(name),)) for name in CONDITIONS
}
