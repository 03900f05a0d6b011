"""Names of the datasets in Detectron2's catalogue, and the loaders behind them.

Everything is looked for below the folder that the environment variable DETECTRON2_DATASETS names,
and only when a dataset is loaded. A dataset's metadata holds what a result needs to state beside
its scores: ``folder`` (below the root), ``conditions``, ``betas``, ``box_convention`` and
``thing_classes``; `describe_dataset` gathers them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import load_coco_json
from detectron2.structures import BoxMode

from snr_plugins.data.cityscapes import CONDITIONS, read_cityscapes
from snr_plugins.data.coco import check_coco_folder
from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.errors import InputError

SPLITS = ("train", "val")
FOG = tuple(name for name, condition in CONDITIONS.items() if condition.beta is not None)
CAMVID_SPLITS = ("day_train", "day_val", "dusk_val")
CAMVID_CLASSES = ("car", "pedestrian", "bicyclist")

MAKE_SYNTHETIC_CITY = (
    "python tools/make_synthetic_city.py --out $DETECTRON2_DATASETS/synthetic_city "
    "--train 300 --val 60 --seed 0"
)


def datasets_root() -> str:
    """The folder that all registered folders are relative to; Detectron2's default is the same."""
    return os.path.expanduser(os.environ.get("DETECTRON2_DATASETS", "datasets"))


def register_datasets(root: str | None = None) -> None:
    """Register every dataset that the project's configs name. Reads no file.

    - ``synthetic_city_{condition}_{split}`` in ``synthetic_city``, for each name of ``CONDITIONS``
    - ``cityscapes_boxes_{split}``, ``foggy_cityscapes_beta_{beta}_{split}`` and, with all three
      densities, ``foggy_cityscapes_all_{split}`` in ``cityscapes``
    - ``camvid_{day_train,day_val,dusk_val}`` in ``camvid``

    Calling it again does nothing, unless with another root, which then replaces the earlier one.

    Args:
        root: the folder that holds the three folders. None means the environment variable
            DETECTRON2_DATASETS, read each time that a dataset is loaded.
    """
    for split in SPLITS:
        for condition in CONDITIONS:
            name = f"synthetic_city_{condition}_{split}"
            _register_below(root, name, "synthetic_city", split, (condition,), MAKE_SYNTHETIC_CITY)
        _register_below(root, f"cityscapes_boxes_{split}", "cityscapes", split, ("clear",))
        for fog in FOG:
            name = f"foggy_cityscapes_{fog.removeprefix('foggy_')}_{split}"
            _register_below(root, name, "cityscapes", split, (fog,))
        _register_below(root, f"foggy_cityscapes_all_{split}", "cityscapes", split, FOG)
    for split in CAMVID_SPLITS:
        _register_camvid(root, split)


def register_cityscapes_folder(
    name: str,
    folder: str,
    split: str,
    conditions: Sequence[str] = ("clear",),
    box_convention: str = "detectron2",
) -> None:
    """Register any folder in Cityscapes' layout under a name of your own.

    Args:
        name: the name for DATASETS.TRAIN or DATASETS.TEST.
        folder: the folder that holds ``gtFine``.
        split: folder below ``gtFine``.
        conditions: names of ``snr_plugins.data.cityscapes.CONDITIONS``.
        box_convention: see `snr_plugins.data.cityscapes.read_cityscapes`.
    """
    DatasetCatalog.register(
        name, lambda: _load_cityscapes(folder, split, conditions, box_convention)
    )
    _set_cityscapes_metadata(name, os.path.abspath(folder), conditions, box_convention)


def register_coco_folder(
    name: str, json_file: str, image_root: str, classes: Sequence[str] | None = None
) -> None:
    """Register any folder of images whose boxes are in one COCO file.

    Unlike Detectron2's ``register_coco_instances``, the file and its images are checked when the
    dataset is loaded, before training starts.

    Args:
        name: the name for DATASETS.TRAIN or DATASETS.TEST.
        json_file: boxes in COCO's format; without ``annotations`` the images are unlabelled.
        image_root: folder of the images.
        classes: names that the file's categories must have, ordered by id; None takes any.
    """
    DatasetCatalog.register(name, lambda: _load_coco(name, json_file, image_root, classes))
    metadata = MetadataCatalog.get(name)
    metadata.set(json_file=json_file, image_root=image_root, evaluator_type="coco")
    metadata.set(folder=os.path.abspath(image_root), conditions=(), betas=(), box_convention="coco")


def describe_dataset(name: str) -> dict:
    """What a result on this dataset must state: folder, weather, fog, box convention, classes."""
    classes = class_names(name)
    metadata = MetadataCatalog.get(name)
    return {
        "name": name,
        "folder": os.path.join(metadata.get("root") or datasets_root(), metadata.get("folder", "")),
        "conditions": list(metadata.get("conditions", ())),
        "betas": list(metadata.get("betas", ())),
        "box_convention": metadata.get("box_convention", "unknown"),
        "thing_classes": classes,
    }


def class_names(name: str) -> list[str]:
    """Class names of a registered dataset; a COCO file that lists its own is loaded for them.

    Raises:
        InputError: no dataset has this name, or its file is at fault.
    """
    if name not in DatasetCatalog.list():
        raise InputError(
            f"DATASETS names {name!r}, which is not registered: correct the name, or register it "
            "with snr_plugins.detection.datasets.register_coco_folder."
        )
    if not MetadataCatalog.get(name).get("thing_classes"):
        DatasetCatalog.get(name)
    return list(MetadataCatalog.get(name).get("thing_classes", ()))


def check_class_count(num_classes: int, dataset_names: Sequence[str]) -> None:
    """Make sure that the model and all datasets, training and test, agree on the classes.

    Args:
        num_classes: the config's MODEL.ROI_HEADS.NUM_CLASSES.
        dataset_names: everything in DATASETS.TRAIN and DATASETS.TEST.

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
            f"same order, and MODEL.ROI_HEADS.NUM_CLASSES must count them, but {described}."
        )
    if any(len(names) != num_classes for names in classes.values()):
        raise InputError(
            f"MODEL.ROI_HEADS.NUM_CLASSES is {num_classes} but {described}: set "
            "MODEL.ROI_HEADS.NUM_CLASSES to the datasets' count."
        )


def _register_below(
    root: str | None,
    name: str,
    folder: str,
    split: str,
    conditions: Sequence[str],
    make_command: str | None = None,
) -> None:
    def load() -> list[dict]:
        base = root or datasets_root()
        mend = f"set DETECTRON2_DATASETS (the root, now {base}) to the folder that holds {folder}"
        if make_command:
            mend += f", or make it with `{make_command}`"
        path = os.path.join(base, folder)
        return _load_cityscapes(path, split, conditions, "detectron2", mend=mend)

    if _register(root, name, load):
        _set_cityscapes_metadata(name, folder, conditions, "detectron2")


def _register_camvid(root: str | None, split: str) -> None:
    name = f"camvid_{split}"

    def load() -> list[dict]:
        folder = os.path.join(root or datasets_root(), "camvid", split)
        if not os.path.isdir(folder):
            raise InputError(
                f"The folder {folder} does not exist: set DETECTRON2_DATASETS to the folder that "
                f"holds camvid, with images/ and boxes.json in camvid/{split}."
            )
        json_file, image_root = os.path.join(folder, "boxes.json"), os.path.join(folder, "images")
        return _load_coco(name, json_file, image_root, CAMVID_CLASSES)

    if _register(root, name, load):
        MetadataCatalog.get(name).set(
            thing_classes=list(CAMVID_CLASSES),
            evaluator_type="coco",
            folder=f"camvid/{split}",
            conditions=(split.split("_")[0],),
            betas=(),
            box_convention="coco",
        )


def _register(root: str | None, name: str, load: Callable[[], list[dict]]) -> bool:
    """Whether the name was registered now: False if it already stands, with the same root."""
    if name in DatasetCatalog.list():
        if MetadataCatalog.get(name).get("root") == root:
            return False
        # Metadata refuses to change a value, so another root needs a new entry.
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).root = root
    return True


def _set_cityscapes_metadata(
    name: str, folder: str, conditions: Sequence[str], box_convention: str
) -> None:
    betas = tuple(CONDITIONS[condition].beta for condition in conditions)
    MetadataCatalog.get(name).set(
        thing_classes=list(THING_CLASSES),
        evaluator_type="coco",
        folder=folder,
        conditions=tuple(conditions),
        betas=tuple(beta for beta in betas if beta is not None),
        box_convention=box_convention,
    )


def _load_cityscapes(*arguments, **keywords) -> list[dict]:
    records = read_cityscapes(*arguments, **keywords)
    for record in records:
        for annotation in record["annotations"]:
            annotation["bbox_mode"] = BoxMode.XYXY_ABS
    return records


def _load_coco(
    name: str, json_file: str, image_root: str, classes: Sequence[str] | None
) -> list[dict]:
    check_coco_folder(json_file, image_root, classes)
    return load_coco_json(json_file, image_root, name)
