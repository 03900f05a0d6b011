"""Paints, wheels and the colours of small parts that all vehicles share."""

from __future__ import annotations

import numpy as np

from snr_plugins.city.geometry import cylinder, disc
from snr_plugins.city.mesh import Material, Mesh, join

RUBBER = (0.02, 0.02, 0.022)
DARK = (0.03, 0.03, 0.033)
CHROME = (0.45, 0.46, 0.48)
GLASS_TINT = (0.025, 0.03, 0.035)
PLATE = (0.75, 0.75, 0.7)
LAMP_OFF = (0.62, 0.64, 0.66)
HEADLAMP = (0.95, 0.93, 0.85)
TAIL_LAMP = (0.5, 0.012, 0.015)

PAINTS = np.array(
    [
        (0.60, 0.61, 0.63),  # silver
        (0.75, 0.75, 0.74),  # white
        (0.02, 0.02, 0.023),  # black
        (0.12, 0.125, 0.135),  # graphite
        (0.42, 0.03, 0.03),  # red
        (0.03, 0.06, 0.24),  # dark blue
        (0.10, 0.25, 0.42),  # light blue
        (0.04, 0.13, 0.07),  # green
        (0.45, 0.38, 0.26),  # sand
        (0.52, 0.30, 0.04),  # ochre
        (0.22, 0.06, 0.05),  # maroon
    ]
)
PAINT_SHARES = np.array([0.17, 0.16, 0.15, 0.15, 0.1, 0.09, 0.06, 0.04, 0.03, 0.02, 0.03])


def random_paint(rng: np.random.Generator) -> np.ndarray:
    """A car colour, drawn with the shares seen in a car park."""
    return np.clip(PAINTS[rng.choice(len(PAINTS), p=PAINT_SHARES)] * rng.uniform(0.85, 1.2), 0, 0.8)


def wheel(x: float, z: float, radius: float, side: int, width: float = 0.2) -> Mesh:
    """A tyre with rim whose outer face lies just outside ``x`` on the given side (-1 or 1)."""
    inner, outer = (x - side * width, radius, z), (x + side * 0.012, radius, z)
    tyre = cylinder(inner, outer, radius, RUBBER, sides=14)
    face = x + side * 0.016
    rim = disc((face, radius, z), (side, 0, 0), radius * 0.62, CHROME, Material.PAINT, 10)
    hub_at = (face + side * 0.004, radius, z)
    hub = disc(hub_at, (side, 0, 0), radius * 0.24, (0.1, 0.1, 0.1), sides=6)
    return join([tyre, rim, hub])
