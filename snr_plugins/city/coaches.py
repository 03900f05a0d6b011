"""Buses and trams."""

from __future__ import annotations

import numpy as np

from snr_plugins.city.geometry import box, cylinder, loft, patches
from snr_plugins.city.mesh import Colour, Material, Mesh, join, place
from snr_plugins.city.vehicle_parts import (
    DARK,
    GLASS_TINT,
    HEADLAMP,
    PLATE,
    TAIL_LAMP,
    wheel,
)

AMBER = (0.9, 0.35, 0.04)
LIVERIES = np.array(
    [
        [(0.70, 0.66, 0.52), (0.45, 0.03, 0.04)],
        [(0.72, 0.72, 0.70), (0.04, 0.20, 0.42)],
        [(0.55, 0.38, 0.04), (0.08, 0.08, 0.09)],
        [(0.06, 0.28, 0.14), (0.72, 0.72, 0.66)],
        [(0.50, 0.04, 0.05), (0.70, 0.70, 0.68)],
        [(0.08, 0.16, 0.42), (0.66, 0.66, 0.68)],
    ]
)


def bus(rng: np.random.Generator) -> tuple[Mesh, float, float]:
    """A city bus, and its length and width in metres."""
    length, width = float(rng.uniform(9.5, 12.0)), 2.5
    main, second = LIVERIES[rng.integers(len(LIVERIES))]
    return (
        join(
            [
                *_coach(length, width, 0.32, 3.0, main, second, rng, doors=(0.04, 0.48)),
                *[
                    wheel(side * (width / 2), z, 0.48, side, width=0.3)
                    for side in (-1, 1)
                    for z in (length / 2 - 2.4, -length / 2 + 2.9)
                ],
                box((0, 3.0, -length * 0.1), (1.5, 0.22, 2.4), np.asarray(main) * 0.8),
            ]
        ),
        length,
        width,
    )


def tram(rng: np.random.Generator) -> tuple[Mesh, float, float]:
    """An articulated tram of two or three cars, and its length and width in metres."""
    width, section = 2.4, float(rng.uniform(7.0, 8.5))
    count, gap = int(rng.integers(2, 4)), 0.5
    length = count * section + (count - 1) * gap
    main, second = LIVERIES[rng.integers(len(LIVERIES))]
    style = rng.spawn(1)[0].bit_generator.state
    parts = []
    for index in range(count):
        middle = -length / 2 + section / 2 + index * (section + gap)
        ends = (index == 0, index == count - 1)
        same = np.random.default_rng()
        same.bit_generator.state = style
        coach = join(
            _coach(
                section,
                width,
                0.18,
                3.25,
                main,
                second,
                same,
                (0.16, 0.66),
                ends,
                nose=0.6,
                face_width=0.8,
            )
        )
        parts.append(place(coach, z=middle))
        parts.append(box((0, 3.25, middle), (1.5, 0.25, section * 0.5), (0.35, 0.35, 0.36)))
        if index:
            joint = -length / 2 + index * (section + gap) - gap / 2
            parts.append(box((0, 0.4, joint), (width * 0.88, 2.7, gap + 0.1), (0.05, 0.05, 0.055)))
    for side in (-1, 1):  # the pantograph that carries the current collector
        parts.append(cylinder((side * 0.5, 3.5, 0.5), (side * 0.4, 4.1, -0.4), 0.04, DARK, sides=5))
        parts.append(
            cylinder((side * 0.4, 4.1, -0.4), (side * 0.6, 4.75, 0.3), 0.04, DARK, sides=5)
        )
    parts.append(cylinder((-0.8, 4.75, 0.3), (0.8, 4.75, 0.3), 0.05, DARK, sides=5))
    return join(parts), length, width


def _coach(
    length: float,
    width: float,
    floor: float,
    roof: float,
    main: Colour,
    second: Colour,
    rng: np.random.Generator,
    doors: tuple[float, ...],
    open_ends: tuple[bool, bool] = (True, True),
    nose: float = 0.12,
    face_width: float = 0.97,
) -> list[Mesh]:
    """Body of a bus or of one tram car.

    Args:
        doors: where doors begin along the right side, as fractions from the front.
        open_ends: whether rear and front show a driver's face; else they are plain.
        nose: how far the windscreen leans back at the roof, in metres.
        face_width: width of a driver's face as a share of the body's width.
    """
    half, rear, front = width / 2, -length / 2, length / 2
    lean_rear, lean_front = (nose if end else 0.0 for end in open_ends)
    belt = floor + 0.36 * (roof - floor)
    arch = 0.12  # the roof's edges are bevelled

    def section(z: float, lean: float, narrow: float) -> np.ndarray:
        side = [(1.0, floor, 0.0), (1.0, belt, 0.0), (0.985, roof - arch, 0.9), (0.88, roof, 1.0)]
        right = [(share * half * narrow, y, z + lean * up) for share, y, up in side]
        return np.array(right + [(-x, y, depth) for x, y, depth in reversed(right)])

    narrow_rear, narrow_front = (face_width if end else 1.0 for end in open_ends)
    stations = [
        (rear, lean_rear, narrow_rear),
        (rear + 0.7, 0.0, 1.0),
        (front - 0.7, 0.0, 1.0),
        (front, -lean_front, narrow_front),
    ]
    parts = [loft(np.stack([section(*station) for station in stations]), main, Material.PAINT)]

    low, high = floor, roof - arch
    right = [
        (half, low, front - 0.7),
        (half, low, rear + 0.7),
        (half, high, rear + 0.7),
        (half, high, front - 0.7),
    ]
    left = [(-x, y, z) for x, y, z in (right[1], right[0], right[3], right[2])]
    count = max(3, round(length / 1.5))
    step = 1.0 / count
    band = (0.43, 0.9)
    windows = [(i * step + 0.06 * step, (i + 1) * step - 0.06 * step, *band) for i in range(count)]
    free = [w for w in windows if not any(w[0] < d + 0.1 and w[1] > d for d in doors)]
    door_panels = [(d + k * 0.052, d + k * 0.052 + 0.047, 0.03, 0.9) for d in doors for k in (0, 1)]
    stripe = (0.0, 1.0, 0.18, 0.36) if rng.random() < 0.5 else (0.0, 1.0, 0.0, 0.2)
    cabin = (GLASS_TINT, Material.CABIN_WINDOW)
    parts += [
        patches(left, [(0.0, 1.0, *band)], DARK, lift=0.004),
        patches(right, [(0.0, 1.0, *band)], DARK, lift=0.004),
        patches(left, windows, *cabin, lift=0.012),
        patches(right, free, *cabin, lift=0.012),
        patches(right, door_panels, *cabin, lift=0.016),
        patches(left, [stripe], second, Material.PAINT, lift=0.006),
        patches(right, [stripe], second, Material.PAINT, lift=0.006),
    ]
    for is_open, z, lean, sign in (
        (open_ends[0], rear, lean_rear, -1),
        (open_ends[1], front, -lean_front, 1),
    ):
        if not is_open:
            continue
        edge = sign * half * face_width
        bottom = [(-edge, floor, z), (edge, floor, z), (edge, belt, z), (-edge, belt, z)]
        top_z, top = z + 0.9 * lean, 0.985 * edge
        screen = [
            bottom[3],
            bottom[2],
            (top, roof - arch, top_z),
            (-top, roof - arch, top_z),
        ]
        lamps = [(0.05, 0.2, 0.45, 0.68), (0.8, 0.95, 0.45, 0.68)]
        look = (HEADLAMP, Material.HEADLAMP) if sign > 0 else (TAIL_LAMP, Material.TAIL_LAMP)
        parts += [
            patches(screen, [(0.05, 0.95, 0.02, 0.74)], GLASS_TINT, Material.GLASS),
            patches(screen, [(0.15, 0.85, 0.78, 0.97)], DARK),
            patches(screen, [(0.25, 0.75, 0.81, 0.94)], AMBER, Material.SIGNAL, lift=0.016),
            patches(bottom, [(0.0, 1.0, 0.0, 0.22)], DARK),
            patches(bottom, [(0.0, 1.0, 0.3, 0.82)], second, Material.PAINT, lift=0.005),
            patches(bottom, lamps, *look, lift=0.014),
            patches(bottom, [(0.4, 0.6, 0.06, 0.17)], PLATE, lift=0.014),
        ]
    return parts
