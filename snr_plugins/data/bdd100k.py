"""Boxes of BDD100K (Yu et al., CVPR 2020, arXiv 1805.04687): one JSON file for each split.

    <root>/images/100k/{train,val}/<frame>.jpg
    <root>/labels/det_20/det_{train,val}.json             the boxes of 2020
    <root>/labels/bdd100k_labels_images_{train,val}.json  those of 2018, with other names

Many boxes changed between the two. Classes go by the names of Cityscapes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from snr_plugins.data.boxes import LabelledBox, Mends, drop_empty, to_record
from snr_plugins.data.images import read_image_size
from snr_plugins.data.layout import Layout
from snr_plugins.errors import InputError

# Those of Cityscapes that both datasets have in number; trains are too few to score.
BDD100K_CLASSES = ("person", "rider", "car", "truck", "bus", "motorcycle", "bicycle")
CLASS_OF = {
    "person": "person",
    "pedestrian": "person",
    "rider": "rider",
    "car": "car",
    "van": "car",
    "caravan": "car",
    "truck": "truck",
    "bus": "bus",
    "train": "train",
    "motor": "motorcycle",
    "motorcycle": "motorcycle",
    "bike": "bicycle",
    "bicycle": "bicycle",
    "traffic light": "traffic light",
    "traffic sign": "traffic sign",
}
# Of 2020; neither right nor wrong to find, as BDD100K's own conversion to COCO has them.
GROUP_OF = {"other person": "person", "other vehicle": "car", "trailer": "truck"}


@dataclass(frozen=True)
class LabelledFrame:
    """What a label file says of an image.

    Args:
        file_name: of the image.
        time_of_day: "daytime", "night", "dawn/dusk" or "undefined".
        boxes: by Cityscapes' names, not checked yet.
    """

    file_name: str
    time_of_day: str
    boxes: list[LabelledBox]

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return os.path.splitext(self.file_name)[0]


def read_bdd100k(
    layout: Layout,
    root: str | os.PathLike[str],
    split: str,
    classes: Sequence[str] = BDD100K_CLASSES,
    time_of_day: str | None = None,
    hint: str = "check the path, or unpack BDD100K there",
) -> list[dict]:
    """Read the boxes of one split, in the order of the label file.

    Boxes are as published, from x1 to x2 and y1 to y2, so that a width is x2 - x1.

    Args:
        layout: ``bdd100k`` or ``bdd100k_2018`` of `snr_plugins.data.layouts.LAYOUTS`.
        root: the folder that holds ``images`` and ``labels``.
        split: ``"train"`` or ``"val"``.
        classes: of Cityscapes, in the order of their ids; other objects are background.
        time_of_day: keep the frames that were taken then; None keeps all.
        hint: what the reader of the error should do when a file or folder is missing.

    Returns:
        As `snr_plugins.data.cityscapes.read_cityscapes`; ``area`` is the box's. "other person",
        "other vehicle", "trailer" and what is marked as a crowd have ``iscrowd=1``.

    Raises:
        InputError: a file or folder is missing, cannot be read or is not of BDD100K's form; no
            frame is of this time of day; a box is impossible.
    """
    path = layout.label_file(Path(root), split)
    folder = Path(root) / layout.conditions[0].folder_of(split)
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist: {hint}.")
    if not path.is_file():
        raise InputError(f"The label file {path} does not exist: {hint}.")
    frames = [
        frame
        for frame in read_label_file(path)
        if time_of_day is None or frame.time_of_day == time_of_day
    ]
    if not frames:
        raise InputError(
            f"{path} has no frame with the time of day {time_of_day or 'of any kind'}: use the "
            "label file that the dataset came with."
        )
    mends = Mends()
    with ThreadPool(os.cpu_count() or 1) as pool:
        records = pool.map(
            partial(_record, folder=folder, classes=classes, mends=mends, source=path), frames
        )
    mends.log(path)
    return records


def read_label_file(path: Path) -> list[LabelledFrame]:
    """The frames of a label file of 2018 or 2020; lanes and areas are left out.

    Raises:
        InputError: the file is not of BDD100K's form, has a category of another dataset, or an
            image twice.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not readable JSON ({error}): copy or download it again."
        ) from error
    entries = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(entries, list):
        raise InputError(f"{path} is no list of frames: use BDD100K's own label file.")
    frames = [_frame(path, number, entry) for number, entry in enumerate(entries)]
    known: set[str] = set()
    for number, frame in enumerate(frames):
        if frame.file_name in known:
            raise InputError(f"{path}, frames[{number}] repeats {frame.file_name}: remove one.")
        known.add(frame.file_name)
    return frames


def _frame(path: Path, number: int, entry: object) -> LabelledFrame:
    where = f"{path}, frames[{number}]"
    try:
        name = entry["name"]  # type: ignore[index]  # a TypeError is caught
        attributes = entry.get("attributes") or {}  # type: ignore[attr-defined]
        time_of_day = str(attributes.get("timeofday", "undefined"))
        labels = entry.get("labels") or []  # type: ignore[attr-defined]  # null: nothing there
        boxes = [
            _box(f"{where} ({name}), labels[{index}]", label)
            for index, label in enumerate(labels)
            if label.get("box2d") is not None
        ]
    except InputError:  # a ValueError too
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} is not of BDD100K's form ({error!r}): use the label file that the dataset "
            "came with."
        ) from error
    return LabelledFrame(str(name), time_of_day, boxes)


def _box(where: str, label: dict) -> LabelledBox:
    category = label["category"]
    name = CLASS_OF.get(category) or GROUP_OF.get(category)
    if name is None:
        raise InputError(
            f"{where} has the category {category!r}, which BDD100K's boxes do not have: use the "
            "label file that the dataset came with."
        )
    corners = [float(label["box2d"][key]) for key in ("x1", "y1", "x2", "y2")]
    attributes = label.get("attributes") or {}
    is_group = category in GROUP_OF or attributes.get("crowd") is True
    return LabelledBox(name, corners, f"{where} ({category})", is_group)


def _record(
    frame: LabelledFrame, folder: Path, classes: Sequence[str], mends: Mends, source: Path
) -> dict:
    image = folder / frame.file_name
    if not image.is_file():
        raise InputError(
            f"{source} lists {frame.file_name}, which is not in {folder}: unpack the images again."
        )
    categories = {name: index for index, name in enumerate(classes)}
    boxes = drop_empty([box for box in frame.boxes if box.name in categories], mends)
    return to_record(image, frame.stem, read_image_size(image), boxes, categories, mends)
