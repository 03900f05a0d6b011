"""What one label file of any layout holds: pixels and boxes of each class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from snr_plugins.data import bdd100k, kitti, voc
from snr_plugins.data.boxes import LabelledBox
from snr_plugins.data.cityscapes import boxes_of_instances
from snr_plugins.data.files import read_ids
from snr_plugins.data.frames import check_same_size
from snr_plugins.data.label_ids import CLASSES, IN_RED_CHANNEL, UNKNOWN, VOID, lookup_table
from snr_plugins.data.labels import THING_CLASSES
from snr_plugins.data.layout import BDD_JSON, KITTI_TEXT, VOC_XML, Layout


@dataclass
class Annotation:
    """What a label file holds.

    Args:
        size: (height, width) of the image that it is for; None where it does not say.
        pixels: number of pixels of each class, and of "void".
        boxes: objects; empty for layouts without instances.
        ids: all that a label image holds.
        unknown: those of them that the layout does not define.
        missing: another label file that should lie beside it and does not.
        is_rewritten: whether a loader has written it anew, see `snr_plugins.data.voc.VocFile`.
    """

    size: tuple[int, ...] | None
    pixels: Counter = field(default_factory=Counter)
    boxes: list[LabelledBox] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    missing: Path | None = None
    is_rewritten: bool = False


def read_annotation(layout: Layout, path: Path, stem: str = "") -> Annotation:
    """Read a label file; of one file for all frames of a split, what it says of ``stem``.

    Raises:
        InputError: it cannot be read, or is not of the layout's form.
    """
    if layout.label_kind == KITTI_TEXT:
        return Annotation(None, boxes=kitti.read_objects(path))
    if layout.label_kind == VOC_XML:
        file = voc.read_voc_file(path)
        return Annotation(file.size, boxes=file.objects, is_rewritten=file.is_rewritten)
    if layout.label_kind == BDD_JSON:
        return Annotation(None, boxes=frames_by_stem(path)[stem].boxes)
    return _read_ids(layout, path)


@lru_cache(maxsize=1)
def frames_by_stem(path: Path) -> dict[str, bdd100k.LabelledFrame]:
    """The frames of a label file of BDD100K, which takes long to read.

    Raises:
        InputError: it cannot be read, or is not of BDD100K's form.
    """
    return {frame.stem: frame for frame in bdd100k.read_label_file(path)}


def read_train_ids(layout: Layout, path: Path) -> np.ndarray:
    """(H, W) int16: train ids of a label image, see `snr_plugins.data.label_ids.lookup_table`."""
    return _table(layout.table)[read_ids(path, layout.table in IN_RED_CHANNEL)]


def _read_ids(layout: Layout, path: Path) -> Annotation:
    ids = read_ids(path, layout.table in IN_RED_CHANNEL)
    counts = np.bincount(ids.ravel())
    annotation = Annotation(ids.shape, ids=np.flatnonzero(counts).tolist())
    classes = CLASSES[layout.table]
    for raw_id in annotation.ids:
        train_id = int(_table(layout.table)[raw_id])
        if train_id == UNKNOWN:
            annotation.unknown.append(raw_id)
        else:
            name = "void" if train_id == VOID else classes[train_id]
            annotation.pixels[name] += int(counts[raw_id])
    if layout.instances is not None:  # boxes come from a second image, beside the first
        stem = path.name.removesuffix(layout.labels.suffix)
        instances = path.with_name(stem + layout.instances.suffix)
        if not instances.is_file():
            annotation.missing = instances
            return annotation
        instance_ids = read_ids(instances)
        check_same_size(instances, instance_ids.shape, path, ids.shape)
        annotation.boxes = [
            LabelledBox(
                THING_CLASSES[box["category_id"]], box["bbox"], is_group=bool(box["iscrowd"])
            )
            for box in boxes_of_instances(instance_ids, "detectron2")
        ]
    return annotation


@cache
def _table(name: str) -> np.ndarray:
    return lookup_table(name)
