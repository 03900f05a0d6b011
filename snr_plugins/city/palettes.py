"""The cities: what their streets are made of and how the light falls there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Palette:
    """The look of one city.

    Args:
        name: as in the file names, lower case.
        facades: linear RGB of the plaster or brick of its houses.
        roof: linear RGB of roof tiles.
        asphalt, paving: linear grey of road and sidewalk.
        leaves: linear RGB of the foliage.
        sky: linear RGB overhead in clear weather.
        sun_elevation: lowest and highest in degrees.
        sun_colour: linear RGB of the sun's light.
        overcast: share of frames without direct sun.
        storeys: fewest and most floors of a house.
        green: share of street sides that are gardens or parks instead of houses.
        road_width: narrowest and widest lane in metres.
    """

    name: str
    facades: tuple[tuple[float, float, float], ...]
    roof: tuple[float, float, float]
    asphalt: float
    paving: float
    leaves: tuple[float, float, float]
    sky: tuple[float, float, float]
    sun_elevation: tuple[float, float]
    sun_colour: tuple[float, float, float]
    overcast: float
    storeys: tuple[int, int]
    green: float
    road_width: tuple[float, float]


TRAIN_CITIES = (
    Palette(
        "aldermoor",
        ((0.62, 0.52, 0.36), (0.66, 0.60, 0.50), (0.55, 0.40, 0.28), (0.58, 0.56, 0.50)),
        (0.30, 0.10, 0.06),
        0.150,
        0.36,
        (0.085, 0.17, 0.035),
        (0.16, 0.34, 0.72),
        (38, 62),
        (1.0, 0.94, 0.83),
        0.30,
        (3, 6),
        0.25,
        (3.2, 3.5),
    ),
    Palette(
        "brunsee",
        ((0.34, 0.14, 0.09), (0.42, 0.20, 0.13), (0.50, 0.47, 0.43), (0.28, 0.16, 0.12)),
        (0.09, 0.09, 0.10),
        0.115,
        0.30,
        (0.06, 0.14, 0.04),
        (0.24, 0.38, 0.62),
        (25, 45),
        (1.0, 0.90, 0.74),
        0.50,
        (2, 5),
        0.35,
        (3.1, 3.4),
    ),
    Palette(
        "corvale",
        ((0.48, 0.50, 0.52), (0.36, 0.38, 0.40), (0.60, 0.60, 0.58), (0.25, 0.29, 0.33)),
        (0.14, 0.13, 0.13),
        0.13,
        0.40,
        (0.07, 0.15, 0.05),
        (0.20, 0.36, 0.66),
        (45, 65),
        (1.0, 0.96, 0.90),
        0.40,
        (4, 8),
        0.20,
        (3.3, 3.6),
    ),
    Palette(
        "dunhaven",
        ((0.60, 0.36, 0.28), (0.48, 0.55, 0.45), (0.66, 0.56, 0.32), (0.40, 0.46, 0.56)),
        (0.26, 0.12, 0.08),
        0.17,
        0.34,
        (0.11, 0.17, 0.03),
        (0.18, 0.38, 0.70),
        (18, 40),
        (1.0, 0.86, 0.66),
        0.20,
        (2, 4),
        0.45,
        (3.0, 3.3),
    ),
)
VAL_CITIES = (
    Palette(
        "eskburg",
        ((0.52, 0.44, 0.34), (0.36, 0.26, 0.20), (0.62, 0.58, 0.52), (0.46, 0.34, 0.30)),
        (0.20, 0.10, 0.08),
        0.135,
        0.33,
        (0.075, 0.15, 0.045),
        (0.20, 0.36, 0.68),
        (30, 55),
        (1.0, 0.92, 0.78),
        0.40,
        (3, 6),
        0.30,
        (3.1, 3.4),
    ),
    Palette(
        "farnholt",
        ((0.42, 0.47, 0.54), (0.62, 0.48, 0.40), (0.56, 0.56, 0.46), (0.30, 0.24, 0.22)),
        (0.11, 0.11, 0.12),
        0.16,
        0.38,
        (0.09, 0.16, 0.04),
        (0.22, 0.40, 0.64),
        (22, 50),
        (1.0, 0.93, 0.80),
        0.35,
        (2, 7),
        0.35,
        (3.2, 3.5),
    ),
)
CITIES = {"train": TRAIN_CITIES, "val": VAL_CITIES}
