"""Pairs of a labelled source and an unlabelled target, under one name for DATASETS.TRAIN."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog, get_detection_dataset_dicts
from torch.utils.data import IterableDataset

from snr_plugins.data.folder import list_images
from snr_plugins.data.layout import BDD_JSON
from snr_plugins.data.names import DETECTION_DATASETS, NamedDataset
from snr_plugins.data.unlabelled import list_unlabelled, records_of_images
from snr_plugins.detection.adaptation.batches import Batches, alternating
from snr_plugins.detection.catalogue import datasets_root
from snr_plugins.errors import InputError

KEY = "DATASETS.TARGET_FOLDER"
KEPT = ("file_name", "image_id", "height", "width")  # of a registered target; all else is dropped


@dataclass
class Pair:
    """What a name of `register_adaptation` stands for.

    Args:
        name: for DATASETS.TRAIN.
        source: a registered dataset.
        target: a registered dataset or a folder; None for the folder that ``folder`` names.
        folder: the config's DATASETS.TARGET_FOLDER.
        batches: of the run that the pair is loaded for, set when its model is built.
    """

    name: str
    source: str
    target: str | None
    folder: str = ""
    batches: Batches | None = field(default=None, repr=False)

    @property
    def target_name(self) -> str:
        """The dataset or folder that is adapted to."""
        if self.target is not None:
            return self.target
        if not self.folder:
            raise InputError(
                f"{KEY} is empty: name the folder of the target's images that {self.name} adapts to"
            )
        return self.folder

    def source_records(self) -> list[dict]:
        """The source's images that have a box, as Detectron2 trains on them."""
        try:
            records = get_detection_dataset_dicts(self.source)
        except AssertionError as error:  # "No valid data found in ..."
            if "No valid data" not in str(error):
                raise
            raise InputError(
                f"{self.name}: no image of {self.source} has a box; take a labelled source"
            ) from None
        return [{**record, "domain": "source"} for record in records]

    def target_records(self) -> list[dict]:
        """The target's images, without labels.

        Raises:
            InputError: there is none, or one cannot be read.
        """
        return [{**record, "domain": "target"} for record in _unlabelled(self.target_name)]

    def target_files(self) -> list[str]:
        """Absolute paths of the target's images, without reading them where that can be."""
        return [os.path.realpath(path) for path in _files(self.target_name)]

    def load(self) -> IterableDataset:
        """The batches' records in order: for `DatasetCatalog`, which hands it to the loader."""
        if self.batches is None:
            raise InputError(
                f"DATASETS.TRAIN {self.name} holds two domains: set MODEL.META_ARCHITECTURE to one "
                "that takes them apart, such as DomainAdversarialRCNN or MeanTeacherRCNN"
            )
        return alternating(self.source_records(), self.target_records(), self.batches)


def register_adaptation(name: str, source: str, target: str | None = None) -> None:
    """Register a labelled source and an unlabelled target as one dataset for DATASETS.TRAIN.

    Every batch of every process holds as many images of one as of the other, of the source those
    that have a box. Of a target that is registered, too, only the images are taken: its labels are
    dropped here, and those of the project's own datasets are not even opened. Reads no file.

    Args:
        name: the name of the pair.
        source: a registered dataset; the model's classes are its classes.
        target: a registered dataset or a folder of images; None for the folder that the config
            names in DATASETS.TARGET_FOLDER.

    Raises:
        InputError: the name is taken, or the source or target is no registered name or folder.
    """
    if name in DatasetCatalog.list():
        raise InputError(f"register_adaptation: {name!r} is registered already; take another name")
    if source not in DatasetCatalog.list() or pair_of(source):
        raise InputError(
            f"register_adaptation: the source {source!r} of {name} is no registered dataset; "
            "register it first, with register_coco_folder for one"
        )
    known = target is None or target in DatasetCatalog.list() or os.path.isdir(target)
    if not known or (target and pair_of(target)):
        raise InputError(
            f"register_adaptation: the target {target!r} of {name} is neither a registered dataset "
            "nor a folder; correct the name"
        )
    pair = Pair(name, source, target)
    DatasetCatalog.register(name, pair.load)
    MetadataCatalog.get(name).set(adaptation=pair, labelled_part=source)


def adaptation_dataset(
    name: str, images_per_batch: int, target_folder: str = ""
) -> IterableDataset:
    """A pair as ``build_detection_train_loader`` takes it, for a LazyConfig or a loop of one's own.

    There aspect_ratio_grouping must be False and total_batch_size the same number. With a YAML
    config the name in DATASETS.TRAIN is enough.

    Args:
        name: a pair of `register_adaptation`.
        images_per_batch: of all processes together.
        target_folder: of a pair without a target of its own.

    Raises:
        InputError: the name is no pair, the batch cannot be split, or a domain cannot be read.
    """
    pair = pair_of(name)
    if pair is None:
        raise InputError(f"{name!r} is no pair of domains: make one with register_adaptation")
    pair.folder = target_folder or pair.folder
    pair.batches = Batches(images_per_batch)
    return pair.load()


def pair_of(name: str) -> Pair | None:
    """The pair that a registered name stands for; None for a plain dataset."""
    return MetadataCatalog.get(name).get("adaptation") if name in DatasetCatalog.list() else None


def _unlabelled(target: str) -> list[dict]:
    if _lies_known(target) or target not in DatasetCatalog.list():
        return records_of_images(Path(path) for path in _files(target))
    return [
        {key: record[key] for key in KEPT if key in record} for record in DatasetCatalog.get(target)
    ]


def _files(target: str) -> list[str]:
    dataset = _lies_known(target)
    if dataset is not None:
        base = MetadataCatalog.get(target).get("root") or datasets_root()
        folder = os.path.join(base, dataset.layout.folder)
        hint = (
            f"set DETECTRON2_DATASETS (the root, now {base}) to the folder that holds "
            f"{dataset.layout.folder}, with the images of {target}"
        )
        return [str(p) for p in list_unlabelled(dataset.layout, Path(folder), dataset.split, hint)]
    if target in DatasetCatalog.list():
        return [record["file_name"] for record in DatasetCatalog.get(target)]
    return [str(path) for path in list_images(target)]


def _lies_known(target: str) -> NamedDataset | None:
    """One of the project's datasets, where its images can be told without its labels."""
    dataset = DETECTION_DATASETS.get(target) if target in DatasetCatalog.list() else None
    if dataset is None or (dataset.layout.label_kind == BDD_JSON and dataset.conditions):
        return None  # BDD100K tells night from day in its labels
    return dataset


def ready_pairs() -> Iterator[tuple[str, str, str | None]]:
    """Name, source and target of the pairs that the package registers."""
    for fog in ("beta_0.005", "beta_0.01", "beta_0.02", "all"):
        target = f"foggy_cityscapes_{fog}_train"
        yield f"cityscapes_to_foggy_{fog}", "cityscapes_boxes_train", target
    yield "cityscapes_to_kitti_car", "cityscapes_car_train", "kitti_car_train"
    yield "kitti_to_cityscapes_car", "kitti_car_train", "cityscapes_car_train"
    yield "sim10k_to_cityscapes_car", "sim10k_car_train", "cityscapes_car_train"
    for condition in ("foggy_beta_0.005", "foggy_beta_0.01", "foggy_beta_0.02", "night", "rain"):
        target = f"synthetic_city_{condition}_train"
        yield f"synthetic_city_clear_to_{condition}", "synthetic_city_clear_train", target
    # no other dusk is there: the images adapted to are those tested on, and the stamp says so
    yield "camvid_day_to_dusk", "camvid_day_train", "camvid_dusk_val"
    for name, dataset in DETECTION_DATASETS.items():
        if dataset.split.endswith("train"):
            yield f"{name.removesuffix('_train')}_to_folder", name, None
