"""Lorries with box, tipper or tank body."""

from __future__ import annotations

import numpy as np

from snr_plugins.city.geometry import box, cylinder, loft, patches
from snr_plugins.city.mesh import Colour, Material, Mesh, join, quads
from snr_plugins.city.vehicle_parts import (
    CHROME,
    DARK,
    GLASS_TINT,
    HEADLAMP,
    PLATE,
    TAIL_LAMP,
    random_paint,
    wheel,
)


def truck(rng: np.random.Generator) -> tuple[Mesh, float, float]:
    """A lorry with box, tipper or tank body, and its length and width in metres."""
    length, width = float(rng.uniform(6.4, 9.0)), 2.46
    cab_length = 1.9
    rear, front = -length / 2, length / 2
    cab_rear = front - cab_length
    paint = random_paint(rng)
    body_length = length - cab_length - 0.25
    body_middle = rear + body_length / 2
    cargo = str(rng.choice(["box", "box", "tipper", "tank"]))
    parts = [
        box((0, 0.55, body_middle), (1.0, 0.4, body_length), DARK),
        *_cab(paint, width, cab_rear, front),
        *_cargo(rng, cargo, width, body_length, body_middle),
        box((0, 0.45, rear + 0.08), (width * 0.95, 0.16, 0.1), (0.25, 0.25, 0.26)),
    ]
    for side in (-1, 1):
        lamp = [
            [
                (side * 0.75, 0.66, rear - 0.01),
                (side * 1.15, 0.66, rear - 0.01),
                (side * 1.15, 0.84, rear - 0.01),
                (side * 0.75, 0.84, rear - 0.01),
            ]
        ]
        parts.append(quads(lamp, TAIL_LAMP, Material.TAIL_LAMP))
        axles = [front - 1.25, rear + 1.3]
        if length > 7.8:
            axles.append(rear + 2.4)
        for z in axles:
            parts.append(wheel(side * (width / 2 - 0.03), z, 0.48, side, width=0.4))
        guard = box(
            (side * (width / 2 - 0.08), 0.5, (cab_rear + rear) / 2 + 0.5),
            (0.06, 0.45, max(body_length - 3.6, 0.8)),
            (0.2, 0.2, 0.21),
        )
        parts.append(guard)
    return join(parts), length, width


def _cab(paint: Colour, width: float, rear: float, front: float) -> list[Mesh]:
    half, roof = width / 2 * 0.97, 2.75
    # Side view from sill to roof: the windscreen leans back a little.
    outline = [(rear, 0.55), (rear, roof - 0.1), (front - 0.35, roof), (front, 1.55), (front, 0.45)]
    sections = np.array([[(x, y, z) for z, y in outline] for x in (-half, half)])
    right = [
        (half, 1.55, front - 0.05),
        (half, 1.55, rear),
        (half, 2.6, rear),
        (half, 2.6, front - 0.35),
    ]
    left = [(-x, y, z) for x, y, z in (right[1], right[0], right[3], right[2])]
    screen = [
        (-half, 1.55, front),
        (half, 1.55, front),
        (half, roof, front - 0.35),
        (-half, roof, front - 0.35),
    ]
    nose = [(-half, 0.45, front), (half, 0.45, front), (half, 1.55, front), (-half, 1.55, front)]
    glass = (GLASS_TINT, Material.GLASS)
    return [
        loft(sections, paint, Material.PAINT),
        patches(screen, [(0.05, 0.95, 0.05, 0.8)], *glass),
        patches(right, [(0.1, 0.62, 0.0, 0.85)], *glass),
        patches(left, [(0.38, 0.9, 0.0, 0.85)], *glass),
        patches(nose, [(0.18, 0.82, 0.42, 0.85), (0.0, 1.0, 0.0, 0.12)], DARK),
        patches(
            nose, [(0.03, 0.2, 0.16, 0.3), (0.8, 0.97, 0.16, 0.3)], HEADLAMP, Material.HEADLAMP
        ),
        patches(nose, [(0.39, 0.61, 0.14, 0.24)], PLATE, lift=0.016),
        box((half + 0.16, 1.7, front - 0.2), (0.16, 0.6, 0.12), DARK),
        box((-half - 0.16, 1.7, front - 0.2), (0.16, 0.6, 0.12), DARK),
    ]


def _cargo(
    rng: np.random.Generator, kind: str, width: float, length: float, middle: float
) -> list[Mesh]:
    colour = random_paint(rng) if rng.random() < 0.45 else np.full(3, rng.uniform(0.5, 0.72))
    rear = middle - length / 2
    if kind == "tank":
        start, end = (0, 1.95, rear + 0.1), (0, 1.95, rear + length - 0.1)
        bands = [
            cylinder((0, 1.95, z), (0, 1.95, z + 0.12), 1.0, DARK, sides=16)
            for z in np.linspace(rear + 0.5, rear + length - 0.8, 3)
        ]
        return [cylinder(start, end, 0.97, colour, Material.PAINT, sides=18), *bands]
    if kind == "tipper":
        walls = box((0, 0.95, middle), (width, 1.35, length), colour, Material.PAINT, (1.0, 1.0))
        heap = box(
            (0, 2.3, middle), (width * 0.9, 0.45, length * 0.9), (0.28, 0.2, 0.12), taper=(0.4, 0.5)
        )
        ribs = [
            box((0, 0.95, z), (width + 0.08, 1.35, 0.1), np.asarray(colour) * 0.7)
            for z in np.linspace(rear + 0.1, rear + length - 0.1, 6)
        ]
        return [walls, heap, *ribs]
    height = float(rng.uniform(2.3, 2.75))
    half = width / 2
    right = [
        (half, 0.95, rear + length),
        (half, 0.95, rear),
        (half, 0.95 + height, rear),
        (half, 0.95 + height, rear + length),
    ]
    left = [(-x, y, z) for x, y, z in (right[1], right[0], right[3], right[2])]
    back = [
        (half, 0.95, rear),
        (-half, 0.95, rear),
        (-half, 0.95 + height, rear),
        (half, 0.95 + height, rear),
    ]
    stripe = random_paint(rng)
    return [
        box((0, 0.95, middle), (width, height, length), colour, Material.PAINT),
        patches(right, [(0.0, 1.0, 0.25, 0.42)], stripe, Material.PAINT),
        patches(left, [(0.0, 1.0, 0.25, 0.42)], stripe, Material.PAINT),
        patches(back, [(0.49, 0.51, 0.0, 1.0), (0.0, 1.0, 0.0, 0.04), (0.0, 1.0, 0.96, 1.0)], DARK),
        patches(back, [(0.42, 0.44, 0.1, 0.8), (0.56, 0.58, 0.1, 0.8)], CHROME),
    ]
