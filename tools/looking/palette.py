"""Colours that colour-blind people tell apart (Okabe and Ito, "Color Universal Design", 2008)."""

from __future__ import annotations

# blue, vermilion, green, reddish purple, orange, sky blue, yellow, black
OKABE_ITO = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000",
)  # fmt: skip
MARKERS = "os^Dv<>P*X"  # beside the colours, so that nobody needs them


def colour(index: int) -> str:
    """The index-th colour; they come again after eight."""
    return OKABE_ITO[index % len(OKABE_ITO)]


def marker(index: int) -> str:
    """Another for each of ten, so that a colour that comes again has another marker."""
    return MARKERS[index % len(MARKERS)]


def class_colours(count: int) -> list[list[int]]:
    """RGB in 0 .. 255 of so many classes."""
    return [[int(colour(i)[at : at + 2], 16) for at in (1, 3, 5)] for i in range(count)]
