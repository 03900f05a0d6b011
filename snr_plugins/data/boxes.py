"""The one check of a box, for every reader: nothing impossible becomes ground truth."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from snr_plugins.errors import InputError

OVERHANG = 2.0  # pixels beyond the image that rounding explains; the frameworks clip them
THINNEST = 0.01  # pixels; less is lost in the rounding of 32 bit corners

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledBox:
    """A box of a label file.

    Args:
        name: of its class.
        corners: left, top, right, bottom in pixels, counted from 0.
        where: file and line or object, for messages.
        is_group: whether it stands for several, or for what is neither right nor wrong to find.
    """

    name: str
    corners: list[float]
    where: str = ""
    is_group: bool = False

    @property
    def title(self) -> str:
        """The class name, marked for a group."""
        return f"{self.name} group" if self.is_group else self.name


class Mends:
    """What was put right while a file was read: where, by kind. False while there is nothing."""

    def __init__(self) -> None:
        self.places: dict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, where: str) -> None:
        """``kind``: what was found and what was made of it."""
        self.places[kind].append(where)

    def __bool__(self) -> bool:
        return bool(self.places)

    def sentences(self) -> list[str]:
        """One for each kind."""
        return [
            f"{kind}, {len(places)} in all (first: {places[0]})"
            for kind, places in self.places.items()
        ]

    def log(self, source: Path) -> None:
        """A line for each kind, as warnings."""
        for sentence in self.sentences():
            logger.warning("%s: %s.", source, sentence)


def check_box(
    corners: Sequence[float], size: tuple[int, int], where: str, mends: Mends | None = None
) -> list[float]:
    """Make sure that a box can be one of its image.

    Args:
        corners: left, top, right, bottom in pixels, counted from 0.
        size: (height, width) of the image.
        where: what the message begins with: file and object.
        mends: where to note that a box was clipped.

    Returns:
        The corners as they are; of a box that reaches more than ``OVERHANG`` beyond the image,
        clipped to it.

    Raises:
        InputError: a corner is not finite, right or bottom come before left or top, the box has no
            width or height, it is given in fractions of the image, or it lies wholly outside.
    """
    left, top, right, bottom = corners
    height, width = size
    values = " ".join(f"{value:g}" for value in corners)
    shown = f"{where} has the box {values} (left, top, right, bottom from 0)"
    if not all(map(math.isfinite, corners)):
        raise InputError(f"{shown}: give finite numbers of pixels.")
    if right < left or bottom < top:
        raise InputError(
            f"{shown}, right or bottom before left or top: give them in this order, in pixels."
        )
    if is_empty(corners):
        raise InputError(f"{shown}, without width or height: correct or remove it.")
    if max(right, bottom) <= 1 < max(size) and any(value % 1 for value in corners):
        raise InputError(f"{shown}, which are fractions of the image: give pixels.")
    inside = [max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))]
    if is_empty(inside):
        raise InputError(
            f"{shown}, wholly outside of its image of {width}x{height}: correct or remove it."
        )
    if overhang(corners, size) <= OVERHANG:
        return list(corners)
    if mends is not None:
        mends.add("a box reaches outside its image and was clipped", where)
    return inside


def drop_empty(boxes: Sequence[LabelledBox], mends: Mends) -> list[LabelledBox]:
    """The boxes without those that `is_dropped`."""
    return [box for box in boxes if not is_dropped(box.corners, box.where, mends)]


def is_dropped(corners: Sequence[float], where: str, mends: Mends) -> bool:
    """Whether finite corners stand in their order, but enclose nothing; ``mends`` takes note."""
    left, top, right, bottom = corners
    in_order = all(map(math.isfinite, corners)) and right >= left and bottom >= top
    if not (in_order and is_empty(corners)):
        return False
    mends.add("a box without width or height was left out", where)
    return True


def to_record(
    image: Path,
    image_id: str,
    size: tuple[int, int],
    boxes: Sequence[LabelledBox],
    categories: Mapping[str, int],
    mends: Mends,
) -> dict:
    """An image and its boxes, checked, as `snr_plugins.data.cityscapes.read_cityscapes` has them.

    Args:
        image: its file.
        image_id: of the record.
        size: (height, width) of the image.
        boxes: of classes in ``categories``.
        categories: category id of each class name.
        mends: where to note that a box was clipped.

    Raises:
        InputError: a box is impossible, see `check_box`.
    """
    annotations = []
    for box in boxes:
        left, top, right, bottom = check_box(box.corners, size, box.where, mends)
        annotations.append(
            {
                "category_id": categories[box.name],
                "bbox": [left, top, right, bottom],
                "area": (right - left) * (bottom - top),
                "iscrowd": int(box.is_group),
            }
        )
    return {
        "file_name": str(image),
        "image_id": image_id,
        "height": size[0],
        "width": size[1],
        "annotations": annotations,
    }


def is_empty(corners: Sequence[float]) -> bool:
    """Whether a box has no width or no height."""
    left, top, right, bottom = corners
    return right - left < THINNEST or bottom - top < THINNEST


def overhang(corners: Sequence[float], size: tuple[int, int]) -> float:
    """By how many pixels a box reaches beyond its image at most."""
    left, top, right, bottom = corners
    return max(-left, -top, right - size[1], bottom - size[0])
