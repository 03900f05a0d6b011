"""Masks of a COCO file in the forms that people and converters give them.

Two are COCO's: polygons, each a list x, y, x, y ..., and the run-length encoding of a whole image,
column by column, its runs as numbers or packed into a text.
"""

from __future__ import annotations

from snr_plugins.data.coco_fields import number, whole_number

Size = tuple[int, int]
_SIGN, _MORE, _BITS, _FIRST = 0x10, 0x20, 5, 48  # of a character in packed runs


def segmentation(value: object, size: Size | None) -> object:
    """The mask as pycocotools and Detectron2 take it; None where there is none.

    A run-length encoding, or the polygons of three points and more. Detectron2 leaves out the other
    polygons too, and with them a box that has no other; on an encoding of another length or type it
    stops.

    Args:
        value: of ``segmentation``.
        size: (height, width) of the image; None where that is at fault itself.
    """
    if isinstance(value, dict):
        return _encoding(value, size)
    if not isinstance(value, list):
        return None
    if value and all(number(part) is not None for part in value):
        value = [value]  # a polygon that is in no list
    return [points for part in value if (points := _polygon(part)) is not None] or None


def _polygon(value: object) -> list | None:
    if isinstance(value, list) and all(isinstance(p, list) and len(p) == 2 for p in value):
        value = [part for point in value for part in point]
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        return None
    if all(isinstance(part, (int, float)) and abs(part) < float("inf") for part in value):
        return value
    found = [number(part) for part in value]
    # not a number is not below infinity either
    return found if all(f is not None and abs(f) < float("inf") for f in found) else None


def _encoding(value: dict, size: Size | None) -> dict | None:
    given = value.get("size")
    if not isinstance(given, list) or len(given) != 2:
        return None
    height, width = (whole_number(part) for part in given)
    if height is None or width is None or (height, width) != (size or (height, width)):
        return None
    counts = value.get("counts")
    runs = _unpack(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or any(type(r) is not int or r < 0 for r in runs):
        return None
    if sum(runs) != height * width:
        return None
    if all(type(part) is int for part in given):
        return value
    return {**value, "size": [height, width]}


def _unpack(text: str) -> list[int] | None:
    """The runs in a text, 5 bits a character; the fourth and later ones as more than two before."""
    runs: list[int] = []
    at, run = 0, 0
    for character in text:
        code = ord(character) - _FIRST
        if not 0 <= code < 2 * _MORE:
            return None
        run |= (code & (_MORE - 1)) << (_BITS * at)
        at += 1
        if code & _MORE:
            continue
        if code & _SIGN:
            run -= 1 << (_BITS * at)
        runs.append(run + (runs[-2] if len(runs) > 2 else 0))
        at, run = 0, 0
    return None if at else runs
