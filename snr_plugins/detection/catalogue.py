"""What Detectron2's catalogue knows of a dataset, and whether it fits the model."""

from __future__ import annotations

import os
from collections.abc import Sequence

from detectron2.data import DatasetCatalog, MetadataCatalog

from snr_plugins.errors import InputError


def datasets_root() -> str:
    """The folder that all registered folders are relative to; Detectron2's default is the same."""
    return os.path.expanduser(os.environ.get("DETECTRON2_DATASETS", "datasets"))


def describe_dataset(name: str) -> dict:
    """What a result on this dataset must state: folder, split, conditions, fog, boxes, classes."""
    classes = class_names(name)
    metadata = MetadataCatalog.get(name)
    return {
        "name": name,
        "folder": os.path.join(metadata.get("root") or datasets_root(), metadata.get("folder", "")),
        "split": metadata.get("split"),
        "conditions": list(metadata.get("conditions", ())),
        "betas": list(metadata.get("betas", ())),
        "box_convention": metadata.get("box_convention", "unknown"),
        "thing_classes": classes,
    }


def labelled_part(name: str) -> str:
    """The source of a pair of domains, see `snr_plugins.detection.register_adaptation`; of any
    other dataset the name itself."""
    known = name in DatasetCatalog.list()
    return MetadataCatalog.get(name).get("labelled_part", name) if known else name


def class_names(name: str) -> list[str]:
    """Class names of a registered dataset; a COCO file that lists its own is loaded for them.

    Raises:
        InputError: no dataset has this name, or its file is at fault.
    """
    name = labelled_part(name)
    if name not in DatasetCatalog.list():
        raise InputError(
            f"DATASETS names {name!r}, which is not registered: correct the name, or register it "
            "with snr_plugins.detection.register_coco_folder in the module that SNR_DATASETS names."
        )
    if not MetadataCatalog.get(name).get("thing_classes"):
        DatasetCatalog.get(name)
    return list(MetadataCatalog.get(name).get("thing_classes", ()))


def check_class_count(
    num_classes: int, dataset_names: Sequence[str], key: str = "MODEL.ROI_HEADS.NUM_CLASSES"
) -> None:
    """Make sure that the model and all datasets, training and test, agree on the classes.

    Args:
        num_classes: the config's.
        dataset_names: everything in DATASETS.TRAIN and DATASETS.TEST that is used.
        key: the config's key that counts the classes.

    Raises:
        InputError: an unknown name; class lists that differ between datasets; a different count.
    """
    classes = {name: class_names(name) for name in dataset_names}
    described = "; ".join(
        f"{name} has {len(names)} ({', '.join(names)})" for name, names in classes.items()
    )
    if len({tuple(names) for names in classes.values()}) > 1:
        raise InputError(
            f"The datasets in DATASETS.TRAIN and DATASETS.TEST must have the same classes in the "
            f"same order, and {key} must count them, but {described}."
        )
    if any(len(names) != num_classes for names in classes.values()):
        raise InputError(
            f"{key} is {num_classes} but {described}: set {key} to the datasets' count."
        )
