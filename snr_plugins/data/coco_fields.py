"""Fields of a COCO file in the types that people and converters give them.

Each function returns None where the meaning is not sure.
"""

from __future__ import annotations

import math
import re

WHOLE = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)  # of a text; float() would take 1_2 and 12e3 too

_FLAGS = {"0": 0, "1": 1, "false": 0, "true": 1}


def number(value: object) -> float | None:
    """A finite or infinite number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and "_" in value:  # to Python 1_2 is 12
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def whole_number(value: object) -> int | None:
    """An integer; also as 3.0 and "3"."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # as it is: a float holds no more than 53 bits
    if isinstance(value, str):
        text = value.strip()
        return int(text.partition(".")[0]) if WHOLE.fullmatch(text) else None
    found = number(value)
    return int(found) if found is not None and math.isfinite(found) and found % 1 == 0 else None


def identity(value: object) -> int | str | None:
    """An image's id: a whole number, or a text that is none."""
    found = whole_number(value)
    if found is None and isinstance(value, str) and value:
        return value
    return found


def flag(value: object) -> int | None:
    """0 or 1; nothing at all is 0."""
    if value is None:
        return 0
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    return int(value) if isinstance(value, (bool, int, float)) and value in (0, 1) else None


def four_numbers(value: object) -> list[float] | None:
    """A box."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    found = [number(part) for part in value]
    return None if None in found else [part for part in found if part is not None]
