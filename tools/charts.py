"""Charts as inline SVG: bars with a spread, gains with their intervals, lines.

Each is 340 units wide, so that one fits a phone and a grid of them a desk. Colours are classes
(``c0`` to ``c9``, ``axis``, ``text``), which the page's style sheet defines for light and dark.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from html import escape

from figures import Mean

WIDTH = 340
ROW = 34  # a label, and its mark below
LINE, LETTERS = 14, 40  # a label's further lines, and what one of them holds beside the value
MARGIN = 8
COLOURS = 10
Row = tuple[str, int, Mean | None]  # label, colour, value


def bars(rows: Sequence[Row], longest: float) -> str:
    """A bar for each mean and a whisker for its deviation; ``longest`` is the full width."""

    def mark(mean: Mean, top: float) -> str:
        end = MARGIN + _share(mean.value, 0, longest)
        parts = [_rect(MARGIN, top, max(end - MARGIN, 1), 8)]
        if mean.around:
            low, high = (
                MARGIN + _share(mean.value + sign * mean.around, 0, longest) for sign in (-1, 1)
            )
            parts.append(_whisker(max(low, MARGIN), high, top + 4))
        return "".join(parts)

    return _rows(rows, mark, signed=False)


def gains(rows: Sequence[Row], low: float, high: float) -> str:
    """A dot for each mean gain and a line for its interval, around a line at zero."""
    zero = MARGIN + _share(0, low, high)

    def mark(mean: Mean, top: float) -> str:
        middle = top + 4
        at = MARGIN + _share(mean.value, low, high)
        parts = []
        if mean.around is not None:
            ends = (MARGIN + _share(mean.value + sign * mean.around, low, high) for sign in (-1, 1))
            parts.append(_whisker(*ends, middle))
        parts.append(f'<circle cx="{at:.1f}" cy="{middle:.1f}" r="4.5" class="fill"/>')
        return "".join(parts)

    # beside the marks alone: the labels are written across
    line = "".join(f"M{zero:.1f} {top + 16}v13" for _, top in _places(rows))
    return _rows(rows, mark, signed=True, behind=f'<path class="axis" d="{line}"/>')


def lines(
    curves: Mapping[str, Sequence[tuple[int, float]]], colours: Mapping[str, int], unit: str
) -> str:
    """A line for each curve of (iteration, value); empty without a point."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    height, left, bottom = 180, 36, 158
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    lowest, highest = _padded([y for _, y in points])

    def place(x: float, y: float) -> str:
        across = left + (x - first) / max(last - first, 1) * (WIDTH - MARGIN - left)
        up = bottom - (y - lowest) / (highest - lowest) * (bottom - 10)
        return f"{across:.1f},{up:.1f}"

    parts = []
    for value in _ticks(lowest, highest):
        y = float(place(first, value).split(",")[1])
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH - MARGIN}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="small" x="{left - 5}" y="{y + 3.5}" text-anchor="end">{value:g}</text>'
        )
    parts.append(f'<text class="small" x="{left}" y="{height - 6}">{first}</text>')
    parts.append(
        f'<text class="small" x="{WIDTH - MARGIN}" y="{height - 6}" text-anchor="end">'
        f"iteration {last}</text>"
    )
    parts.append(f'<text class="small" x="{left + 4}" y="10">{escape(unit)}</text>')
    for name, curve in curves.items():
        path = " ".join(place(x, y) for x, y in curve)
        parts.append(
            f'<polyline class="line c{colours[name] % COLOURS}" points="{path}">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return _svg(height, "".join(parts))


def limits(means: Sequence[Mean | None]) -> tuple[float, float]:
    """What an axis must reach so that every interval, and zero, lies on it."""
    known = [mean for mean in means if mean is not None and math.isfinite(mean.value)]
    ends = [m.value + sign * (m.around or 0) for m in known for sign in (-1, 1)]
    return _padded([0.0, *ends])


def _rows(
    rows: Sequence[Row], mark: Callable[[Mean, float], str], signed: bool, behind: str = ""
) -> str:
    parts = [behind]
    end = 2
    for (label, colour, mean), (of_label, top) in zip(rows, _places(rows), strict=True):
        for above, line in enumerate(reversed(of_label)):
            y = top + 13 - above * LINE
            parts.append(f'<text x="{MARGIN}" y="{y}">{escape(line)}</text>')
        form, nothing = ("+.1f", "no pair") if signed else (".1f", "failed")
        written = mean.shown(form) if mean else nothing
        parts.append(
            f'<text class="value" x="{WIDTH - MARGIN}" y="{top + 13}" text-anchor="end">'
            f"{written}</text>"
        )
        if mean is not None and math.isfinite(mean.value):
            parts.append(
                f'<g class="c{colour % COLOURS}"><title>{escape(label)}: {written}, '
                f"{mean.count} seeds</title>{mark(mean, top + 18)}</g>"
            )
        end = top + ROW + 2
    return _svg(end, "".join(parts))


def _places(rows: Sequence[Row]) -> list[tuple[list[str], int]]:
    """Of each row its label in lines, and the top of the last, beside which the value stands."""
    places, top = [], 0
    for label, *_ in rows:
        wrapped = textwrap.wrap(label, LETTERS)
        top += (len(wrapped) - 1) * LINE
        places.append((wrapped, top))
        top += ROW
    return places


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / ((high - low) or 1) * (WIDTH - 2 * MARGIN)


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round values between."""
    raw = (high - low) / 4
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    first = math.ceil(low / step)
    return [round(index * step, 10) for index in range(first, math.floor(high / step) + 1)]


def _rect(x: float, y: float, width: float, height: float) -> str:
    return (
        f'<rect class="fill" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="2"/>'
    )


def _whisker(low: float, high: float, y: float) -> str:
    return (
        f'<path class="whisker" d="M{low:.1f} {y - 4:.1f}v8M{low:.1f} {y:.1f}H{high:.1f}'
        f'M{high:.1f} {y - 4:.1f}v8"/>'
    )


def _svg(height: float, content: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{content}</svg>'
