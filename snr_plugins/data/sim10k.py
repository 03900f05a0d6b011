"""Cars of Sim10k, "Driving in the Matrix" (Johnson-Roberson et al., ICRA 2017, arXiv 1610.01983).

<root>/VOC2012/JPEGImages/<frame>.jpg
<root>/VOC2012/Annotations/<frame>.xml     in the form of PASCAL VOC
"""

from __future__ import annotations

import os
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from xml.etree import ElementTree

from snr_plugins.data.boxes import LabelledBox, Mends, check_box
from snr_plugins.data.frames import Frame, check_same_size
from snr_plugins.data.images import read_image_size
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError


def read_sim10k(
    root: str | os.PathLike[str], hint: str = "check the path, or unpack Sim10k there"
) -> list[dict]:
    """Read the cars of Sim10k's 10,000 frames.

    VOC counts pixels from 1: as in Detectron2's own VOC loader, left and top become one less, so
    that a box's width is the number of columns that it covers.

    Args:
        root: the folder that holds ``VOC2012``.
        hint: what the reader of the error should do when a folder is missing.

    Returns:
        As `snr_plugins.data.cityscapes.read_cityscapes`, with the one category 0; ``area`` is the
        box's, ``iscrowd`` always 0.

    Raises:
        InputError: a folder or label is missing; an image cannot be read; an annotation
            is not of VOC's form or of another size than its image; a box is impossible.
    """
    mends = Mends()
    frames = LAYOUTS["sim10k"].frames(Path(root), "train", hint)
    with ThreadPool(os.cpu_count() or 1) as pool:
        records = pool.map(partial(_record, mends=mends), frames)
    mends.log(Path(root))
    return records


def read_objects(path: Path) -> tuple[tuple[int, int], list[LabelledBox]]:
    """((height, width), name and box of each object); boxes are not checked yet.

    Raises:
        InputError: the file is not of VOC's form.
    """
    try:
        tree = ElementTree.parse(path)
        size = int(tree.findtext("size/height", "")), int(tree.findtext("size/width", ""))
        objects = []
        for number, entry in enumerate(tree.iterfind("object"), 1):
            name = entry.findtext("name", "")
            box = [float(entry.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin")]
            box = [value - 1 for value in box]
            box += [float(entry.findtext(f"bndbox/{key}", "")) for key in ("xmax", "ymax")]
            objects.append(LabelledBox(name, box, f"{path}, object {number} ({name})"))
    except (OSError, ElementTree.ParseError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no annotation of PASCAL VOC ({error}): copy or download it again."
        ) from error
    return size, objects


def _record(frame: Frame, mends: Mends) -> dict:
    size = read_image_size(frame.image)
    label_size, objects = read_objects(frame.label)
    check_same_size(frame.image, size, frame.label, label_size)
    annotations = []
    for box in objects:
        if box.name == "car":
            left, top, right, bottom = check_box(box.corners, size, box.where, mends)
            annotations.append(
                {
                    "category_id": 0,
                    "bbox": [left, top, right, bottom],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": 0,
                }
            )
    return {
        "file_name": str(frame.image),
        "image_id": frame.stem,
        "height": size[0],
        "width": size[1],
        "annotations": annotations,
    }
