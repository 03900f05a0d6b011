"""The annotations of a COCO file: read, mended where the meaning is sure, refused where not."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from snr_plugins.data import coco_fields as fields
from snr_plugins.data.boxes import OVERHANG, Mends, check_box, is_empty, overhang
from snr_plugins.data.coco_masks import Size, segmentation
from snr_plugins.errors import InputError

KEYS = ("image_id", "category_id", "bbox")
LARGEST_ID = 2**53  # the COCO API keeps ids in 64 bit floats


@dataclass(frozen=True)
class _Found:
    """An annotation whose image, class and four numbers are known."""

    where: str
    entry: dict
    image_id: int | str
    category_id: int
    box: list[float]  # x, y, width, height
    size: Size | None  # of its image; None where that is at fault itself

    @property
    def corners(self) -> list[float]:
        x, y, width, height = self.box
        return [x, y, x + width, y + height]

    def is_within_one(self) -> bool:
        """As fractions of the image are."""
        return all(0 <= value <= 1 for value in self.box) and min(self.box[2:]) > 0

    def fits_as_corners(self, size: Size) -> bool:
        left, top, right, bottom = self.box
        return 0 <= left < right <= size[1] + OVERHANG and 0 <= top < bottom <= size[0] + OVERHANG


def read_annotations(
    entries: list,
    sizes: Mapping[int | str, Size | None],
    category_ids: Collection[int],
    masks: bool,
    refuse: Callable[[str], None],
    mends: Mends,
) -> list[dict]:
    """The annotations as the COCO API and Detectron2 read them rightly.

    Args:
        entries: of the file.
        sizes: (height, width) of each image by its id.
        category_ids: those of the file.
        masks: leave out boxes without a mask; of a crowd the box becomes the mask.
        refuse: takes a sentence on what cannot be taken, and raises it or goes on.
        mends: where to note what was put right.
    """
    found = [
        annotation
        for index, entry in enumerate(entries)
        if (annotation := _find(f"annotations[{index}]", entry, sizes, category_ids, refuse))
    ]
    in_fractions, in_corners = _in_fractions(found), _in_corners(found)
    annotations = []
    for annotation in found:
        shown = f"{annotation.where} has the box {annotation.entry['bbox']}"
        if annotation.where in in_fractions:
            refuse(f"{shown}, which are fractions of the image: give pixels.")
        elif annotation.where in in_corners:
            refuse(
                f"{shown}, which leaves its image as x, y, width, height but fits in it as two "
                "corners: give width and height."
            )
        elif min(annotation.box[2:]) >= 0 and is_empty(annotation.corners):
            mends.add("a box has no width or height and was left out", annotation.where)
        else:
            try:
                mended = _mended(annotation, masks, mends)
            except InputError as error:
                refuse(str(error))
            else:
                annotations += [] if mended is None else [mended]
    _renumber(annotations, mends)
    return annotations


def _find(
    where: str,
    entry: object,
    sizes: Mapping[int | str, Size | None],
    category_ids: Collection[int],
    refuse: Callable[[str], None],
) -> _Found | None:
    missing = [key for key in KEYS if not isinstance(entry, dict) or key not in entry]
    if missing or not isinstance(entry, dict):
        refuse(f"{where} lacks {', '.join(missing)}: add them.")
        return None
    image_id = fields.identity(entry["image_id"])
    if image_id is not None and image_id not in sizes:
        image_id = str(image_id)  # beside ids that are words, all are
    category_id = fields.whole_number(entry["category_id"])
    box = fields.four_numbers(entry["bbox"])
    if image_id is None or image_id not in sizes:
        refuse(
            f"{where} names the image {entry['image_id']}, which 'images' does not list: add the "
            "image or remove the box."
        )
    elif category_id is None or category_id not in category_ids:
        refuse(
            f"{where} has the category {entry['category_id']}, which 'categories' does not list: "
            "add the category or remove the box."
        )
    elif fields.flag(entry.get("ignore")) != 0:
        refuse(f"{where} is marked 'ignore': mark it 'iscrowd' or remove it.")
    elif fields.flag(entry.get("iscrowd")) is None:
        refuse(f"{where} has iscrowd {entry['iscrowd']!r}: give 0 or 1.")
    elif box is None or not all(map(math.isfinite, box)) or box[2] < 0 or box[3] < 0:
        refuse(
            f"{where} has the box {entry['bbox']}: give [x, y, width, height] in pixels, none of "
            "the last two negative."
        )
    else:
        return _Found(where, entry, image_id, category_id, box, sizes[image_id])
    return None


def _in_fractions(found: list[_Found]) -> set[str]:
    """Boxes between 0 and 1; whole numbers among boxes in pixels are a pixel in the corner."""
    small = [a for a in found if a.is_within_one() and a.size is not None and max(a.size) > 1]
    only_small = len(small) == len([a for a in found if any(a.box)])
    return {a.where for a in small if only_small or any(value % 1 for value in a.box)}


def _in_corners(found: list[_Found]) -> set[str]:
    """Boxes that leave their image unless read as corners, where more say so than deny it."""
    saying, denying = set(), 0
    for a in found:
        if a.size is None or is_empty(a.corners):
            continue
        if overhang(a.corners, a.size) > OVERHANG:
            saying |= {a.where} if a.fits_as_corners(a.size) else set()
        elif not a.fits_as_corners(a.size):
            denying += 1
    return saying if len(saying) > denying else set()


def _mended(annotation: _Found, masks: bool, mends: Mends) -> dict | None:
    """A copy of the entry in the right types; None where it is left out."""
    where, entry = annotation.where, dict(annotation.entry)
    box = annotation.box
    if annotation.size is not None:
        left, top, right, bottom = check_box(annotation.corners, annotation.size, where, mends)
        if [left, top, right, bottom] != annotation.corners:
            box = [left, top, right - left, bottom - top]
    right_types = {
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "bbox": box,
        "iscrowd": fields.flag(entry.get("iscrowd")),
    }
    for key, value in right_types.items():
        if entry.get(key) != value or type(entry[key]) is not type(value):
            if key != "bbox" or fields.four_numbers(entry[key]) == value:  # else it was clipped
                mends.add(f"{key} is missing or of another type and was read as meant", where)
            entry[key] = value
    area = fields.number(entry.get("area"))
    largest = math.inf if annotation.size is None else annotation.size[0] * annotation.size[1]
    if area is None or not 0 <= area <= largest:
        mends.add("an area is missing or impossible and became that of the box", where)
        entry["area"] = box[2] * box[3]
    elif not isinstance(entry["area"], (int, float)):
        mends.add("area is missing or of another type and was read as meant", where)
        entry["area"] = area
    if entry.pop("ignore", 0) != 0:  # "0", "false" or null; what is ignored has been refused
        mends.add("'ignore' is null or of another type and was taken for 0", where)
    return _with_mask(where, entry, annotation.size, masks, mends)


def _with_mask(
    where: str, entry: dict, size: Size | None, masks: bool, mends: Mends
) -> dict | None:
    given = entry.pop("segmentation", None)
    mask = segmentation(given, size)
    if mask is not None:
        entry["segmentation"] = mask
    if masks and mask is None and entry["iscrowd"]:
        # Not trained on, but without it what is found there would count as wrong.
        mends.add("a crowd has no mask and its box became one, as masks are wanted", where)
        x, y, width, height = entry["bbox"]
        right, bottom = x + width, y + height
        entry["segmentation"] = [[x, y, right, y, right, bottom, x, bottom]]
    elif masks and mask is None:
        mends.add("a box has no mask and was left out, as masks are wanted", where)
        return None
    elif given and mask is None:
        # Detectron2's loader would leave out the box together with its mask, or stop.
        mends.add("a mask is empty or none of its image and was left out, its box was kept", where)
    elif given and mask != given:
        mends.add("a mask is of another form, or empty in part, and was read as meant", where)
    return entry


def _renumber(annotations: list[dict], mends: Mends) -> None:
    """Ids from 1, unless they are in order: the COCO API never matches a box of id 0."""
    ids = [annotation.get("id") for annotation in annotations]
    in_order = all(type(id_) is int and 1 <= id_ < LARGEST_ID for id_ in ids)
    if in_order and len(set(ids)) == len(ids):
        return
    for number, annotation in enumerate(annotations, 1):
        annotation["id"] = number
    mends.add("ids are not distinct whole numbers from 1 and were given anew", "annotations")
