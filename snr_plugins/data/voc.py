"""Boxes in the form of PASCAL VOC: one XML file for each image.

VOC counts pixels from 1 and includes the last: as in Detectron2's own VOC loader, left and top
become one less, so that a box's width is the number of columns that it covers.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from xml.etree import ElementTree

from snr_plugins.data.boxes import LabelledBox, Mends, drop_empty, to_record
from snr_plugins.data.frames import Frame, check_same_size
from snr_plugins.data.images import read_image_size
from snr_plugins.data.layout import Layout
from snr_plugins.errors import InputError

SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocFile:
    """What a file says.

    Args:
        size: (height, width) of the image; None where the file does not say.
        objects: not checked yet.
        is_rewritten: whether it bears the signs of a loader that wrote it anew: ``<attributes>`` of
            BDD100K and no ``<size>``, as Diverse Weather has them, but ``difficult``, which its
            files lack. That loader cuts fractions off and moves boxes by a pixel each time.
    """

    size: tuple[int, int] | None
    objects: list[LabelledBox]
    is_rewritten: bool = False


def read_voc(
    layout: Layout,
    root: str | os.PathLike[str],
    split: str,
    categories: Mapping[str, int],
    hint: str = "check the path, or unpack the dataset there",
) -> list[dict]:
    """Read one split of a dataset whose labels are in VOC's form.

    ``difficult`` is not looked at: every box counts.

    Args:
        layout: one of `snr_plugins.data.layouts.LAYOUTS`, with labels of this form.
        root: the dataset's folder.
        split: one of the layout's.
        categories: category id of each class name in the files, in upper or lower case; others are
            background, and their boxes are not judged.
        hint: what the reader of the error should do when a folder or list is missing.

    Returns:
        As `snr_plugins.data.cityscapes.read_cityscapes`; ``area`` is the box's, ``iscrowd`` always
        0. A frame without boxes is one of them.

    Raises:
        InputError: a folder, list, image or label is missing; an image cannot be read; an
            annotation is not of VOC's form or of another size than its image; a box is impossible.
    """
    mends = Mends()
    frames = layout.frames(Path(root), split, hint)
    read = partial(_record, categories=categories, mends=mends, drops=layout.drops_empty_boxes)
    with ThreadPool(os.cpu_count() or 1) as pool:
        records = pool.map(read, frames)
    mends.log(Path(root))
    return records


def read_voc_file(path: Path) -> VocFile:
    """Size, and name and box of each object; boxes are not checked yet.

    Raises:
        InputError: the file is not of VOC's form.
    """
    try:
        tree = ElementTree.parse(path)
        if tree.getroot().tag != "annotation":
            raise ValueError(f"it is of the kind {tree.getroot().tag!r}")
        size = _size(tree.getroot())
        objects = []
        for number, entry in enumerate(tree.iterfind("object"), 1):
            name = entry.findtext("name", "").strip()
            if not name:
                raise ValueError(f"object {number} has no name")
            shown = f"object {number} ({name})"
            left, top, right, bottom = (_side(entry, key, shown) for key in SIDES)
            objects.append(
                LabelledBox(name, [left - 1, top - 1, right, bottom], f"{path}, {shown}")
            )
        everywhere = [entry for entry in tree.iter() if str(entry.tag).lower() == "object"]
        if len(everywhere) > len(objects):
            raise ValueError("it has objects that are no <object> right below <annotation>")
    # LookupError: an encoding that nobody knows
    except (OSError, ElementTree.ParseError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is no annotation of PASCAL VOC ({error}): copy or download it again."
        ) from error
    is_bdd = size is None and tree.find("attributes") is not None
    return VocFile(size, objects, is_bdd and tree.find("object/difficult") is not None)


def known_name(box: LabelledBox, names: Collection[str], mends: Mends) -> str:
    """The one of ``names`` from which a box's differs in upper and lower case alone, or its own."""
    if box.name in names:
        return box.name
    for name in names:
        if name.lower() == box.name.lower():
            mends.add(f"the class {box.name} was taken for {name}", box.where)
            return name
    return box.name


def _side(entry: ElementTree.Element, key: str, shown: str) -> float:
    text = entry.findtext(f"bndbox/{key}")
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"{shown} has the {key} {text!r}, not a number") from None


def _size(root: ElementTree.Element) -> tuple[int, int] | None:
    """(height, width); None where it is missing, or 0 as of programs that did not know it."""
    texts = [root.findtext(f"size/{key}", "").strip() for key in ("height", "width")]
    height, width = (float(text) if text else 0.0 for text in texts)
    if height == width == 0:
        return None
    if height % 1 or width % 1:
        raise ValueError(f"its size is {width:g}x{height:g}")
    return int(height), int(width)


def _record(frame: Frame, categories: Mapping[str, int], mends: Mends, drops: bool) -> dict:
    size = read_image_size(frame.image)
    label = read_voc_file(frame.label)
    if label.size is not None:
        check_same_size(frame.image, size, frame.label, label.size)
    named = [replace(box, name=known_name(box, categories, mends)) for box in label.objects]
    objects = [box for box in named if box.name in categories]
    if drops:
        objects = drop_empty(objects, mends)
    return to_record(frame.image, frame.stem, size, objects, categories, mends)
