"""Boxes of any folder in Cityscapes' layout: the real one, its foggy copies, the synthetic city.

    <root>/gtFine/<split>/<city>/<stem>_gtFine_instanceIds.png     16 bit, one for all conditions
    <root>/leftImg8bit/<split>/<city>/<stem>_leftImg8bit.png
    <root>/leftImg8bit_foggy/<split>/<city>/<stem>_leftImg8bit_foggy_beta_0.02.png
    <root>/leftImg8bit_night/<split>/<city>/<stem>_leftImg8bit_night.png
    <root>/leftImg8bit_rain/<split>/<city>/<stem>_leftImg8bit_rain.png

In the label image a pixel of instance k of class c holds 1000 c + k; a pixel of a group, where
single instances cannot be told apart, holds c alone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import cv2
import numpy as np

from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.file_kinds import INSTANCE_IDS
from snr_plugins.data.files import read_ids
from snr_plugins.data.frames import Frame, check_same_size, list_frames
from snr_plugins.data.images import read_image_size
from snr_plugins.data.labels import CATEGORY_OF_LABEL_ID, THING_CLASSES
from snr_plugins.errors import InputError

BOX_CONVENTIONS = ("detectron2", "detectron")


def read_cityscapes(
    root: str | os.PathLike[str],
    split: str,
    conditions: Sequence[str] = ("clear",),
    box_convention: str = "detectron2",
    hint: str = "check the path, or unpack Cityscapes there",
    classes: Sequence[str] = THING_CLASSES,
) -> list[dict]:
    """Read the boxes of one split, sorted by condition, city and frame.

    Two conventions are in use, and numbers made with one do not compare with the other:

    - ``"detectron2"``: the box runs from the first to the last pixel of the mask, so its width is
      one less than the number of columns covered; groups are kept as ``iscrowd=1``. These are the
      boxes of Detectron2's own Cityscapes loader when it reads masks.
    - ``"detectron"``: width and height are one larger; groups are dropped.

    Both leave out instances that are a single row or column of pixels.

    Args:
        root: the folder that holds ``gtFine`` and the image folders.
        split: ``"train"`` or ``"val"`` (any folder name).
        conditions: names of `snr_plugins.data.conditions.CONDITIONS`; with several, each frame
            appears once per condition.
        box_convention: one of ``BOX_CONVENTIONS``.
        hint: what the reader of the error should do when a folder is missing.
        classes: which of ``THING_CLASSES`` to keep.

    Returns:
        One dict per image: ``file_name``; ``image_id``, the frame's stem, behind the city where
        two have it and followed by the condition where several were asked for, so that it is
        unique; ``height`` and ``width`` in pixels; ``annotations``, a list of dicts with
        ``category_id`` (index into ``classes``), ``bbox`` [x0, y0, x1, y1] in pixels, ``area``
        (pixels of the mask) and ``iscrowd`` (0 or 1).

    Raises:
        InputError: unknown condition or convention; a folder or label file is missing; the split
            is empty; an image cannot be read; image and label differ in size.
    """
    _check_name("condition", conditions, CONDITIONS)
    _check_name("box convention", [box_convention], BOX_CONVENTIONS)
    _check_name("class", classes, THING_CLASSES)
    frames = [
        (name, frame)
        for name in conditions
        for frame in list_frames(
            Path(root), split, CONDITIONS[name], INSTANCE_IDS, nested=True, hint=hint
        )
    ]

    # Decoding and NumPy release the interpreter lock: threads measured as fast as processes here,
    # and they are safe after CUDA has started. All conditions of a frame share one label image.
    labels = sorted({frame.label for _, frame in frames})
    with ThreadPool(min(len(labels), os.cpu_count() or 1)) as pool:
        read = pool.map(lambda path: _read_label(path, box_convention, classes), labels)
        sizes = pool.map(lambda named: read_image_size(named[1].image), frames)
    label_of = dict(zip(labels, read, strict=True))
    # scores are by image id: two images of one would be one there
    times = Counter((name, frame.stem) for name, frame in frames)
    repeated = {stem for (_, stem), count in times.items() if count > 1}
    return [
        _record(
            frame,
            _image_id(frame, name, len(conditions) > 1, repeated),
            size,
            *label_of[frame.label],
        )
        for (name, frame), size in zip(frames, sizes, strict=True)
    ]


def boxes_of_instances(instance_ids: np.ndarray, box_convention: str) -> list[dict]:
    """Annotations of one label image, ordered by instance id.

    Args:
        instance_ids: (H, W), non-negative integers as described at the top of this module.
        box_convention: one of ``BOX_CONVENTIONS``.

    Returns:
        The ``annotations`` of `read_cityscapes`.
    """
    pixels = np.bincount(instance_ids.ravel())
    annotations = []
    for instance_id in np.flatnonzero(pixels):
        is_group = instance_id < 1000
        category = CATEGORY_OF_LABEL_ID.get(int(instance_id if is_group else instance_id // 1000))
        if category is None or (is_group and box_convention == "detectron"):
            continue
        x, y, columns, rows = cv2.boundingRect((instance_ids == instance_id).astype(np.uint8))
        if columns == 1 or rows == 1:
            continue
        last = 0 if box_convention == "detectron" else 1
        annotations.append(
            {
                "category_id": category,
                "bbox": [x, y, x + columns - last, y + rows - last],
                "area": int(pixels[instance_id]),
                "iscrowd": int(is_group),
            }
        )
    return annotations


def _check_name(kind: str, names: Sequence[str], known: Sequence[str] | dict) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"Unknown {kind} {name!r}: choose from {', '.join(known)}.")


def _image_id(frame: Frame, name: str, several: bool, repeated: set[str]) -> str:
    """The stem, with the condition where there are several, and the city where two share it."""
    stem = f"{frame.image.parent.name}/{frame.stem}" if frame.stem in repeated else frame.stem
    return f"{stem}_{name}" if several else stem


def _read_label(
    path: Path, box_convention: str, classes: Sequence[str]
) -> tuple[tuple[int, ...], list[dict]]:
    instance_ids = read_ids(path)
    annotations = []
    for annotation in boxes_of_instances(instance_ids, box_convention):
        name = THING_CLASSES[annotation["category_id"]]
        if name in classes:
            annotations.append({**annotation, "category_id": classes.index(name)})
    return instance_ids.shape, annotations


def _record(
    frame: Frame,
    image_id: str,
    size: tuple[int, int],
    label_size: tuple[int, ...],
    annotations: list[dict],
) -> dict:
    check_same_size(frame.image, size, frame.label, label_size)
    return {
        "file_name": str(frame.image),
        "image_id": image_id,
        "height": size[0],
        "width": size[1],
        # A copy each, since conditions of one frame share the label that was read.
        "annotations": [dict(annotation) for annotation in annotations],
    }
