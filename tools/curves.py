"""Loss and entropies over a training, from the log of either framework, thinned for keeping."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

POINTS = 30  # that are kept of a curve
# Detectron2's snr/bottom_up_res2/entropy_enhanced, MMEngine's snr/backbone_layer1/entropy_enhanced
ENTROPY = re.compile(r"snr/(\w+)/entropy_(enhanced|normalised|contaminated)")


def read_curves(folder: Path) -> dict[str, dict]:
    """Curves by name, ``loss`` and each entropy such as ``res2/enhanced`` (nats).

    Each has ``iterations``, counted from 1, and ``values``; null where a value is no number. Empty
    without a log.

    Args:
        folder: Detectron2's OUTPUT_DIR or MMEngine's work folder.
    """
    points: dict[str, dict[int, float]] = {}
    for path in (folder / "metrics.json", *sorted(folder.glob("*/vis_data/scalars.json"))):
        if not path.is_file():
            continue
        for entry in log_lines(path):
            # Detectron2 counts from 0; a line of MMEngine without iter is of a validation
            at = entry["iteration"] + 1 if "iteration" in entry else entry.get("iter")
            if at is None:
                continue
            for key, value in entry.items():
                if name := _curve(key):
                    points.setdefault(name, {})[at] = float(value)
    return {name: _thinned(dict(sorted(found.items()))) for name, found in points.items()}


def log_lines(path: Path) -> Iterator[dict]:
    """The entries of a log of JSON lines, but for one that a killed run has cut short."""
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _curve(key: str) -> str | None:
    if key in ("total_loss", "loss"):
        return "loss"
    match = ENTROPY.fullmatch(key)
    if match is None:
        return None
    stage = match[1].removeprefix("backbone_").removeprefix("bottom_up_")
    return f"{stage}/{match[2]}"


def _thinned(points: dict[int, float]) -> dict[str, list]:
    """At most POINTS of them, evenly, the first and the last among them."""
    found = list(points.items())
    if len(found) > POINTS:
        step = (len(found) - 1) / (POINTS - 1)
        found = [found[round(index * step)] for index in range(POINTS)]
    return {
        "iterations": [at for at, _ in found],
        "values": [value if math.isfinite(value) else None for _, value in found],
    }
