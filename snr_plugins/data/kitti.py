"""Cars of KITTI's object benchmark (Geiger, Lenz, Urtasun, CVPR 2012).

    <root>/training/image_2/<frame>.png
    <root>/training/label_2/<frame>.txt

A line of the text is one object: its type, how far it is cut off and hidden, its angle, the box
(left, top, right, bottom in pixels, counted from 0), then its size and place in space.
"""

from __future__ import annotations

import os
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from snr_plugins.data.boxes import LabelledBox, Mends, to_record
from snr_plugins.data.frames import Frame
from snr_plugins.data.images import read_image_size
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError

# All types of the benchmark. DontCare: far objects that nobody labelled.
TYPES = (
    "Car",
    "Van",
    "Truck",
    "Pedestrian",
    "Person_sitting",
    "Cyclist",
    "Tram",
    "Misc",
    "DontCare",
)
CATEGORIES = {"Car": 0, "DontCare": 0}
BOX = slice(4, 8)
FIELDS = 15  # results have a score as the 16th


def read_kitti(
    root: str | os.PathLike[str], hint: str = "check the path, or unpack KITTI there"
) -> list[dict]:
    """Read the cars of KITTI's 7481 training frames; they are train and test set in the field.

    Only ``Car`` counts: vans and trucks are background, as in the papers that transfer between
    KITTI and Cityscapes. ``DontCare`` is kept as a group (``iscrowd=1``): not trained on, and a
    detection there is neither right nor wrong, as in KITTI's own evaluation. Boxes are as
    published, but for what `snr_plugins.data.boxes.check_box` clips.

    Args:
        root: the folder that holds ``training``.
        hint: what the reader of the error should do when a folder is missing.

    Returns:
        As `snr_plugins.data.cityscapes.read_cityscapes`, with the one category 0; ``area`` is the
        box's.

    Raises:
        InputError: a folder or label is missing; an image cannot be read; a line is not
            of KITTI's form; a box is impossible.
    """
    mends = Mends()
    frames = LAYOUTS["kitti"].frames(Path(root), "train", hint)
    with ThreadPool(os.cpu_count() or 1) as pool:
        records = pool.map(partial(_record, mends=mends), frames)
    mends.log(Path(root))
    return records


def read_objects(path: Path) -> list[LabelledBox]:
    """Type and box of each line of a label file; boxes are not checked yet.

    Raises:
        InputError: the file or a line is not of KITTI's form.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} is no readable text ({error}): copy it again.") from error
    objects = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = line.split()
        if fields[0] not in TYPES or len(fields) < FIELDS:
            raise InputError(
                f"{path}, line {number} is not a type of KITTI and {FIELDS - 1} numbers: use the "
                "labels that the dataset came with."
            )
        try:
            corners = [float(value) for value in fields[BOX]]
        except ValueError as error:
            raise InputError(
                f"{path}, line {number} has the box {' '.join(fields[BOX])}: give left, top, right "
                "and bottom in pixels."
            ) from error
        objects.append(
            LabelledBox(fields[0], corners, f"{path}, line {number}", fields[0] == "DontCare")
        )
    return objects


def _record(frame: Frame, mends: Mends) -> dict:
    size = read_image_size(frame.image)
    boxes = [box for box in read_objects(frame.label) if box.name in CATEGORIES]
    return to_record(frame.image, frame.stem, size, boxes, CATEGORIES, mends)
