"""Proportions of the body styles of cars."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CarShape:
    """Proportions of one body style.

    Lengths in metres; positions along the car are fractions of its length from the rear.
    ``upper_line`` lists (position, height) of the body below the windows; ``windows_base`` and
    ``roof`` are the (rear, front) positions of the glasshouse at the belt line and at the top.
    """

    length: float
    width: float
    height: float
    clearance: float
    upper_line: tuple[tuple[float, float], ...]
    windows_base: tuple[float, float]
    roof: tuple[float, float]
    side_windows: tuple[tuple[float, float], ...]
    wheel_radius: float = 0.31


SHAPES = {
    "saloon": CarShape(
        4.6,
        1.80,
        1.44,
        0.20,
        (
            (0.0, 0.62),
            (0.012, 0.84),
            (0.04, 0.94),
            (0.17, 0.97),
            (0.71, 0.93),
            (0.80, 0.90),
            (0.95, 0.76),
            (0.99, 0.66),
            (1.0, 0.55),
        ),
        (0.14, 0.74),
        (0.31, 0.57),
        ((0.10, 0.36), (0.40, 0.63), (0.66, 0.90)),
    ),
    "hatchback": CarShape(
        3.95,
        1.72,
        1.49,
        0.20,
        (
            (0.0, 0.62),
            (0.012, 0.88),
            (0.05, 0.98),
            (0.70, 0.93),
            (0.80, 0.89),
            (0.95, 0.76),
            (0.99, 0.66),
            (1.0, 0.55),
        ),
        (0.02, 0.75),
        (0.12, 0.55),
        ((0.12, 0.46), (0.50, 0.90)),
    ),
    "estate": CarShape(
        4.65,
        1.80,
        1.48,
        0.20,
        (
            (0.0, 0.62),
            (0.01, 0.86),
            (0.03, 0.96),
            (0.71, 0.93),
            (0.80, 0.90),
            (0.95, 0.77),
            (0.99, 0.66),
            (1.0, 0.55),
        ),
        (0.01, 0.74),
        (0.07, 0.57),
        ((0.06, 0.30), (0.34, 0.61), (0.65, 0.91)),
    ),
    "off-roader": CarShape(
        4.5,
        1.88,
        1.72,
        0.30,
        (
            (0.0, 0.72),
            (0.01, 1.00),
            (0.03, 1.10),
            (0.72, 1.07),
            (0.80, 1.05),
            (0.96, 0.94),
            (0.99, 0.84),
            (1.0, 0.66),
        ),
        (0.02, 0.75),
        (0.08, 0.59),
        ((0.07, 0.29), (0.33, 0.61), (0.65, 0.91)),
        0.36,
    ),
    "van": CarShape(
        5.0,
        1.92,
        2.05,
        0.24,
        (
            (0.0, 0.72),
            (0.008, 1.05),
            (0.02, 1.22),
            (0.84, 1.14),
            (0.90, 1.05),
            (0.97, 0.88),
            (0.995, 0.76),
            (1.0, 0.60),
        ),
        (0.01, 0.87),
        (0.02, 0.70),
        ((0.66, 0.92),),
        0.33,
    ),
}
STYLE_SHARES = {"saloon": 0.26, "hatchback": 0.30, "estate": 0.18, "off-roader": 0.16, "van": 0.10}
