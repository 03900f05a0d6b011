"""The project's datasets in Detectron2's catalogue, folders of your own, and their loaders.

Everything is looked for below the folder that the environment variable DETECTRON2_DATASETS names,
and only when a dataset is loaded. A dataset's metadata holds what a result needs to state beside
its scores: ``folder`` (below the root), ``split``, ``conditions``, ``betas``, ``box_convention``
and ``thing_classes``; `snr_plugins.detection.catalogue.describe_dataset` gathers them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import load_coco_json
from detectron2.structures import BoxMode

from snr_plugins.data.bdd100k import read_bdd100k
from snr_plugins.data.cityscapes import read_cityscapes
from snr_plugins.data.coco import read_coco
from snr_plugins.data.conditions import betas_of
from snr_plugins.data.files import json_bytes, write_whole
from snr_plugins.data.folder import read_image_folder
from snr_plugins.data.kitti import read_kitti
from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.data.layout import BDD_JSON, VOC_XML
from snr_plugins.data.names import DETECTION_DATASETS, NamedDataset
from snr_plugins.data.voc import read_voc
from snr_plugins.detection.catalogue import datasets_root
from snr_plugins.errors import InputError

MAKE_SYNTHETIC_CITY = (
    "python tools/make_synthetic_city.py --out $DETECTRON2_DATASETS/synthetic_city"
)


def register_datasets(root: str | None = None) -> None:
    """Register every dataset of `snr_plugins.data.names.DETECTION_DATASETS`. Reads no file.

    Calling it again does nothing, unless with another root, which then replaces the earlier one.

    Args:
        root: the folder that holds the datasets' folders. None means the environment variable
            DETECTRON2_DATASETS, read each time that a dataset is loaded.
    """
    for dataset in DETECTION_DATASETS.values():
        if _register(root, dataset.name, partial(_load, dataset, root)):
            _describe(
                dataset.name,
                _folder(dataset),
                dataset.box_convention,
                dataset.conditions,
                dataset.classes,
                dataset.split,
            )


def register_cityscapes_folder(
    name: str,
    folder: str,
    split: str,
    conditions: Sequence[str] = ("clear",),
    box_convention: str = "detectron2",
    classes: Sequence[str] = THING_CLASSES,
) -> None:
    """Register any folder in Cityscapes' layout under a name of your own.

    Args:
        name: the name for DATASETS.TRAIN or DATASETS.TEST.
        folder: the folder that holds ``gtFine``.
        split: folder below ``gtFine``.
        conditions: names of ``snr_plugins.data.conditions.CONDITIONS``.
        box_convention: see `snr_plugins.data.cityscapes.read_cityscapes`.
        classes: which of the eight classes to keep.
    """
    DatasetCatalog.register(
        name,
        lambda: _in_pixels(
            read_cityscapes(folder, split, conditions, box_convention, classes=classes)
        ),
    )
    _describe(name, os.path.abspath(folder), box_convention, conditions, classes, split)


def register_coco_folder(
    name: str,
    json_file: str,
    image_root: str,
    classes: Sequence[str] | None = None,
    masks: bool = False,
) -> None:
    """Register any folder of images whose boxes are in one COCO file.

    Unlike Detectron2's ``register_coco_instances``, the file and its images are checked when the
    dataset is loaded, before training starts, and mended where the meaning is sure. Training and
    evaluation see the mended boxes; the file stays as it is.

    Args:
        name: the name for DATASETS.TRAIN or DATASETS.TEST.
        json_file: boxes in COCO's format; without ``annotations`` the images are unlabelled.
        image_root: folder of the images.
        classes: names that the file's categories must have, ordered by id; None takes any.
        masks: leave out boxes without a valid mask, as MODEL.MASK_ON needs; of a crowd the box
            becomes the mask.
    """

    def load() -> list[dict]:
        path = _clean_coco(name, json_file, image_root, classes, masks)
        # What the COCO evaluator reads. Metadata refuses to change a value.
        metadata = MetadataCatalog.get(name)
        vars(metadata).pop("json_file", None)
        metadata.json_file = path
        return load_coco_json(path, image_root, name)

    DatasetCatalog.register(name, load)
    MetadataCatalog.get(name).set(source_file=json_file, image_root=image_root)
    _describe(name, os.path.abspath(image_root), "coco", (), None)


def register_image_folder(name: str, folder: str, classes: Sequence[str] = THING_CLASSES) -> None:
    """Register any folder of images, without labels, as a target domain to adapt to.

    Args:
        name: the name of the dataset.
        folder: its images, in folders below it too.
        classes: the source's, since all datasets of a config must have the same.
    """
    DatasetCatalog.register(name, lambda: read_image_folder(folder))
    _describe(name, os.path.abspath(folder), "unlabelled", (), classes)


def _folder(dataset: NamedDataset) -> str:
    """Of its images and boxes, below the root."""
    if dataset.layout.name == "camvid":
        return f"{dataset.layout.folder}/{dataset.split}"  # a COCO file for each split
    return dataset.layout.folder


def _load(dataset: NamedDataset, root: str | None) -> list[dict]:
    """Read a dataset; ``root`` as of `register_datasets`."""
    base = root or datasets_root()
    name, folder = dataset.layout.name, os.path.join(base, _folder(dataset))
    if name == "camvid":
        return _load_camvid(dataset, folder)
    hint = (
        f"set DETECTRON2_DATASETS (the root, now {base}) to the folder that holds "
        f"{dataset.layout.folder}"
    )
    if name == "kitti":
        return _in_pixels(read_kitti(folder, hint))
    if dataset.layout.label_kind == VOC_XML:
        return _in_pixels(read_voc(dataset.layout, folder, dataset.split, dataset.categories, hint))
    if dataset.layout.label_kind == BDD_JSON:
        time_of_day = dataset.conditions[0] if dataset.conditions else None
        return _in_pixels(
            read_bdd100k(dataset.layout, folder, dataset.split, dataset.classes, time_of_day, hint)
        )
    if name == "synthetic_city":
        hint += f", or make it with `{MAKE_SYNTHETIC_CITY}`"
    return _in_pixels(
        read_cityscapes(
            folder,
            dataset.split,
            dataset.conditions,
            dataset.box_convention,
            hint,
            dataset.classes,
        )
    )


def _load_camvid(dataset: NamedDataset, folder: str) -> list[dict]:
    if not os.path.isdir(folder):
        raise InputError(
            f"The folder {folder} does not exist: set DETECTRON2_DATASETS to the folder that "
            f"holds camvid, with images/ and boxes.json in camvid/{dataset.split}."
        )
    json_file, image_root = os.path.join(folder, "boxes.json"), os.path.join(folder, "images")
    path = _clean_coco(dataset.name, json_file, image_root, dataset.classes)
    return load_coco_json(path, image_root, dataset.name)


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


def _describe(
    name: str,
    folder: str,
    box_convention: str,
    conditions: Sequence[str],
    classes: Sequence[str] | None,
    split: str | None = None,
) -> None:
    MetadataCatalog.get(name).set(
        evaluator_type="coco",
        folder=folder,
        split=split,
        conditions=tuple(conditions),
        betas=tuple(betas_of(conditions)),
        box_convention=box_convention,
        # a COCO file tells its own classes when it is loaded
        **({} if classes is None else {"thing_classes": list(classes)}),
    )


def _in_pixels(records: list[dict]) -> list[dict]:
    for record in records:
        for annotation in record["annotations"]:
            annotation["bbox_mode"] = BoxMode.XYXY_ABS
    return records


def _clean_coco(
    name: str,
    json_file: str,
    image_root: str,
    classes: Sequence[str] | None,
    masks: bool = False,
) -> str:
    """A COCO file as Detectron2 reads it rightly: the given one, or a mended copy of it.

    The copy lasts as long as the process.
    """
    coco = read_coco(json_file, image_root, classes, masks)
    if not coco.mends:
        return json_file
    coco.mends.log(Path(json_file))
    path = Path(_folder_of_copies().name, f"{name.replace('/', '_')}.json")
    write_whole(path, json_bytes(coco.content))
    return str(path)


@cache
def _folder_of_copies() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="snr_plugins_")
