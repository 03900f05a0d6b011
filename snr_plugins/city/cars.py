"""Cars: saloon, hatchback, estate, off-roader and van, each from one table of proportions."""

from __future__ import annotations

import numpy as np

from snr_plugins.city.car_shapes import SHAPES, STYLE_SHARES, CarShape
from snr_plugins.city.geometry import cylinder, loft, patches
from snr_plugins.city.mesh import Colour, Material, Mesh, join, quads, triangles
from snr_plugins.city.vehicle_parts import (
    DARK,
    GLASS_TINT,
    HEADLAMP,
    LAMP_OFF,
    PLATE,
    TAIL_LAMP,
    random_paint,
    wheel,
)


def car(rng: np.random.Generator, lamps_on: bool) -> tuple[Mesh, float, float]:
    """A random car, and its length and width in metres."""
    style = rng.choice(list(STYLE_SHARES), p=list(STYLE_SHARES.values()))
    shape = SHAPES[str(style)]
    return build_car(shape, random_paint(rng), lamps_on), shape.length, shape.width


def build_car(shape: CarShape, paint: Colour, lamps_on: bool) -> Mesh:
    """One car, standing on y = 0, its middle above the origin."""
    half = shape.width / 2
    axles = (-0.5 + 0.19, 0.5 - 0.185)
    parts = [_lower_body(shape, paint), _glasshouse(shape, paint), *_face(shape, lamps_on)]
    for position in axles:
        for side in (-1, 1):
            parts.append(_arch(shape, position * shape.length, side))
            parts.append(wheel(side * half, position * shape.length, shape.wheel_radius, side))
    mirror_z = (shape.windows_base[1] - 0.5) * shape.length - 0.35
    belt = _belt(shape)
    for side in (-1, 1):
        start = (side * (half - 0.05), belt + 0.06, mirror_z)
        end = (side * (half + 0.14), belt + 0.1, mirror_z)
        parts.append(cylinder(start, end, 0.07, paint, Material.PAINT, sides=5))
    return join(parts)


def _belt(shape: CarShape) -> float:
    """Height of the lower edge of the side windows."""
    return float(np.interp(0.5, *np.transpose(shape.upper_line))) - 0.02


def _lower_body(shape: CarShape, paint: Colour) -> Mesh:
    along, top = np.transpose(shape.upper_line)
    z = (along - 0.5) * shape.length
    # Seen from above the ends are rounded: the body narrows over the last tenth of the length.
    to_end = np.minimum(along, 1 - along)
    half = shape.width / 2 * np.interp(to_end, [0, 0.02, 0.1], [0.84, 0.93, 1.0])
    bottom = shape.clearance + np.interp(to_end, [0, 0.05], [0.10, 0.0])
    middle = bottom + 0.62 * (top - bottom)
    # Half a cross-section from sill to centre: (fraction of half width, height).
    right = [
        (0.90, bottom),
        (0.99, bottom + 0.14),
        (1.0, middle),
        (0.97, top - 0.06),
        (0.86, top),
        (0.0, top + 0.015),
    ]
    right_side = [np.stack([share * half, y, z], axis=1) for share, y in right]
    left_side = [np.stack([-share * half, y, z], axis=1) for share, y in reversed(right[:-1])]
    return loft(np.stack(right_side + left_side, axis=1), paint, Material.PAINT)


def _glasshouse(shape: CarShape, paint: Colour) -> Mesh:
    base, roof = shape.width / 2 * 0.92, shape.width / 2 * 0.76
    low, high = _belt(shape), shape.height
    base_rear, base_front = ((p - 0.5) * shape.length for p in shape.windows_base)
    roof_rear, roof_front = ((p - 0.5) * shape.length for p in shape.roof)
    shoulder = high - 0.05  # the roof is slightly arched: its edge lies lower than its middle
    corner = {
        (side, end): ((side * base, low, z_low), (side * roof, shoulder, z_high))
        for side in (-1, 1)
        for end, z_low, z_high in (
            ("rear", base_rear, roof_rear),
            ("front", base_front, roof_front),
        )
    }

    def panel(start: tuple[int, str], end: tuple[int, str]) -> list:
        (a, d), (b, c) = corner[start], corner[end]
        return [a, b, c, d]

    right = panel((1, "front"), (1, "rear"))
    left = panel((-1, "rear"), (-1, "front"))
    front = panel((-1, "front"), (1, "front"))
    rear = panel((1, "rear"), (-1, "rear"))
    side_windows = [(a, b, 0.1, 0.88) for a, b in shape.side_windows]
    mirrored = [(1 - b, 1 - a, low_, high_) for a, b, low_, high_ in side_windows]
    inset = 0.12
    roof_edge = [corner[key][1] for key in ((-1, "rear"), (1, "rear"), (1, "front"), (-1, "front"))]
    roof_middle = [
        (x * 0.6, high, z + (inset if index < 2 else -inset))
        for index, (x, _, z) in enumerate(roof_edge)
    ]
    slopes = [
        [roof_edge[i], roof_edge[(i + 1) % 4], roof_middle[(i + 1) % 4], roof_middle[i]]
        for i in range(4)
    ]
    glass = (GLASS_TINT, Material.GLASS)
    rear_window = (
        [(0.1, 0.9, 0.25, 0.9)] if high < 1.9 else [(0.1, 0.47, 0.3, 0.9), (0.53, 0.9, 0.3, 0.9)]
    )
    return join(
        [
            quads([right, left, front, rear, roof_middle, *slopes], paint, Material.PAINT),
            patches(left, side_windows, *glass),
            patches(right, mirrored, *glass),
            patches(front, [(0.05, 0.95, 0.05, 0.95)], *glass),
            patches(rear, rear_window, *glass),
        ]
    )


def _face(shape: CarShape, lamps_on: bool) -> list[Mesh]:
    """Lamps, grille, bumpers and number plates."""
    half, nose = shape.width / 2, shape.length / 2 + 0.006
    top = shape.upper_line[-2][1]
    tail_top = shape.upper_line[1][1]
    low = shape.clearance + 0.12

    def upright(x0: float, x1: float, y0: float, y1: float, z: float, colour, material) -> Mesh:
        return quads([[(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]], colour, material)

    head = (HEADLAMP, Material.HEADLAMP) if lamps_on else (LAMP_OFF, Material.GLASS)
    tail = (TAIL_LAMP, Material.TAIL_LAMP if lamps_on else Material.PAINT)
    plain = Material.PLAIN
    lamp_low = top - 0.14
    parts = [
        upright(-0.42 * half, 0.42 * half, low + 0.1, top - 0.12, nose, DARK, plain),
        upright(-0.84 * half, 0.84 * half, low, low + 0.09, nose + 0.004, DARK, plain),
        upright(-0.26, 0.26, low + 0.05, low + 0.16, nose + 0.012, PLATE, plain),
        upright(-0.26, 0.26, tail_top - 0.3, tail_top - 0.19, -nose - 0.012, PLATE, plain),
        upright(-0.84 * half, 0.84 * half, low, low + 0.1, -nose, DARK, plain),
    ]
    for side in (-1, 1):
        inner, outer = side * 0.5 * half, side * 0.845 * half
        wrap = (side * 0.95 * half, -0.035 * shape.length)
        for face, (y0, y1), look in (
            (nose, (lamp_low, top), head),
            (-nose, (tail_top - 0.2, tail_top - 0.02), tail),
        ):
            back = face + np.sign(face) * wrap[1]
            edge = np.sign(face) * 0.02
            parts.append(upright(inner, outer, y0, y1, face, *look))
            parts.append(
                quads(
                    [
                        [
                            (outer, y0, face),
                            (wrap[0], y0, back + edge),
                            (wrap[0], y1, back + edge),
                            (outer, y1, face),
                        ]
                    ],
                    *look,
                )
            )
    return parts


def _arch(shape: CarShape, z: float, side: int) -> Mesh:
    """The dark opening above a wheel, cut off at the sill."""
    angle = np.linspace(0, 2 * np.pi, 17)
    radius = shape.wheel_radius + 0.07
    y = np.maximum(shape.wheel_radius + radius * np.sin(angle), shape.clearance)
    x = np.full_like(angle, side * (shape.width / 2 + 0.004))
    rim = np.stack([x, y, z + radius * np.cos(angle)], axis=1)
    centre = np.broadcast_to([x[0], shape.wheel_radius, z], rim[:-1].shape)
    return triangles(np.stack([centre, rim[:-1], rim[1:]], axis=1), DARK)
