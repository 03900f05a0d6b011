"""What lines a street: houses, trees, lamps, signs, fences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snr_plugins.city.geometry import box, cylinder, disc, ellipsoid
from snr_plugins.city.mesh import Colour, Material, Mesh, join, quads, repeat, triangles

STEEL = (0.20, 0.21, 0.22)
STOREY = 3.1  # metres


def house(
    rng: np.random.Generator,
    length: float,
    depth: float,
    storeys: int,
    facade: Colour,
    roof: Colour,
) -> Mesh:
    """A house whose street front is the plane x = 0, from z = 0 to ``length``, body at x > 0.

    Windows are drawn by the shader: texture coordinates count windows and storeys, and their
    integer part beyond 1000 is the house's own style.
    """
    height = storeys * STOREY + 0.6
    style = 1000.0 * int(rng.integers(1, 8))
    shade = np.asarray(facade) * rng.uniform(0.8, 1.15)

    def wall(a: tuple[float, float], b: tuple[float, float]) -> Mesh:
        bays = max(1, round(np.hypot(b[0] - a[0], b[1] - a[1]) / 2.5))
        corners = [(a[0], 0, a[1]), (b[0], 0, b[1]), (b[0], height, b[1]), (a[0], height, a[1])]
        texture = [(style, 0), (style + bays, 0), (style + bays, storeys), (style, storeys)]
        return quads([corners], np.clip(shade, 0, 0.8), Material.FACADE, [texture])

    trim = np.clip(shade * 1.25, 0, 0.8)
    ridge = height + rng.uniform(1.5, 3.2)
    parts = [
        wall((0, 0), (0, length)),
        wall((depth, 0), (0, 0)),
        wall((0, length), (depth, length)),
        box((-0.12 + depth / 2, height - 0.05, length / 2), (depth + 0.5, 0.3, length), trim),
        box((-0.04, STOREY + 0.15, length / 2), (0.14, 0.18, length), trim),
        box((-0.02, 0, length / 2), (0.1, 0.7, length), shade * 0.55),
        quads(
            [
                [
                    (-0.2, height + 0.2, 0),
                    (-0.2, height + 0.2, length),
                    (depth / 2, ridge, length),
                    (depth / 2, ridge, 0),
                ],
                [
                    (depth, height, 0),
                    (depth, height, length),
                    (depth / 2, ridge, length),
                    (depth / 2, ridge, 0),
                ],
            ],
            np.asarray(roof) * rng.uniform(0.8, 1.2),
        ),
    ]
    gables = [[(-0.2, height, z), (depth, height, z), (depth / 2, ridge, z)] for z in (0, length)]
    parts.append(triangles(np.array(gables), shade * 0.9))
    if rng.random() < 0.35 and length > 8:  # balconies
        bay = length / max(1, round(length / 2.5))
        for storey in range(1, storeys):
            for z in np.arange(1.5 * bay, length - bay, 2 * bay):
                parts.append(box((-0.5, storey * STOREY + 0.3, z), (1.0, 0.12, bay * 0.95), trim))
                parts.append(
                    box((-0.98, storey * STOREY + 0.42, z), (0.05, 0.9, bay * 0.95), STEEL)
                )
    if rng.random() < 0.4:  # awning over a shop
        colour = rng.uniform(0.03, 0.5, 3)
        z = rng.uniform(0.25, 0.75) * length
        canopy = [
            (-0.05, 3.0, z - 1.8),
            (-0.05, 3.0, z + 1.8),
            (-1.2, 2.5, z + 1.8),
            (-1.2, 2.5, z - 1.8),
        ]
        parts.append(quads([canopy], colour))
    return join(parts)


def tree(rng: np.random.Generator, leaves: Colour, near: bool) -> Mesh:
    """A deciduous tree 5 to 9 m tall; ``near`` ones have more and smaller leaves."""
    trunk_height = rng.uniform(2.3, 3.2)
    crown = rng.uniform(1.6, 2.6)
    bark = np.array([0.11, 0.08, 0.055]) * rng.uniform(0.7, 1.3)
    lean = rng.uniform(-0.2, 0.2, 2)
    fork = np.array([lean[0], trunk_height, lean[1]])
    parts = [cylinder((0, 0, 0), fork, (0.19, 0.13), bark, sides=7)]
    for _ in range(3):
        tip = fork + [*rng.uniform(-0.9, 0.9, 1), crown * 0.8, *rng.uniform(-0.9, 0.9, 1)]
        parts.append(cylinder(fork, tip, (0.09, 0.03), bark, sides=4))
    green = np.asarray(leaves) * rng.uniform(0.75, 1.3) * [rng.uniform(0.85, 1.25), 1, 1]
    clumps = rng.integers(5, 8)
    centres = fork + np.array([0, crown * 0.75, 0]) + rng.normal(0, 0.42, (clumps, 3)) * crown
    centres[:, 1] = np.maximum(centres[:, 1], trunk_height + 0.4)
    for centre in centres:
        radii = crown * rng.uniform(0.42, 0.62) * np.array([1, 0.8, 1])
        parts.append(
            leaf_clump(rng, centre, radii, green * rng.uniform(0.8, 1.2), 200 if near else 32)
        )
    return join(parts)


def leaf_clump(
    rng: np.random.Generator, centre: np.ndarray, radii: np.ndarray, green: Colour, count: int
) -> Mesh:
    """A dark core with leafy triangles around it, lit as if it were one round mass."""
    detail = (5, 7) if count > 100 else (4, 5)
    core = ellipsoid(
        centre, np.asarray(radii) * 0.82, np.asarray(green) * 0.5, Material.FOLIAGE, detail
    )
    outward = rng.normal(size=(count, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    size = 1.6 * float(np.mean(radii)) / np.sqrt(count)
    spots = centre + outward * radii * rng.uniform(0.75, 1.12, (count, 1))
    corners = spots[:, None] + rng.normal(0, size, (count, 3, 3))
    normals = np.repeat(outward[:, None], 3, axis=1)
    mesh = triangles(corners, green, Material.FOLIAGE, normals)
    # Leaves further out and higher up catch more light than the ones below them.
    light = 0.75 + 0.3 * outward[:, 1:2] + rng.uniform(-0.15, 0.25, (count, 1))
    return join([core, replace(mesh, colours=(mesh.colours * light).astype(np.float32))])


def hedge(rng: np.random.Generator, length: float, height: float, green: Colour) -> Mesh:
    """A row of bushes along z, from 0 to ``length``."""
    spots = np.arange(0.5, length, 1.1)
    return join(
        leaf_clump(
            rng,
            np.array([0, height * 0.5, z]),
            np.array([0.6, height * 0.6, 0.75]),
            np.asarray(green) * rng.uniform(0.8, 1.2),
            40,
        )
        for z in spots
    )


def lamp_post(side: int) -> tuple[Mesh, np.ndarray]:
    """A street lamp whose arm reaches over the road, and where its light is.

    Args:
        side: -1 or 1, the side of the road that it stands on.
    """
    head = np.array([-side * 1.7, 6.6, 0.0])
    return (
        join(
            [
                cylinder((0, 0, 0), (0, 6.3, 0), (0.09, 0.055), STEEL, sides=7),
                cylinder((0, 6.3, 0), head, 0.04, STEEL, sides=5),
                box(head - [0, 0.08, 0], (0.7, 0.1, 0.24), STEEL),
                box(head - [0, 0.13, 0], (0.6, 0.05, 0.2), (0.8, 0.75, 0.62), Material.LANTERN),
            ]
        ),
        head,
    )


def sign_plate(rng: np.random.Generator) -> Mesh:
    """A traffic sign of one of five kinds in the plane z = 0, centred on y = 0, facing -z."""
    kind = int(rng.integers(5))
    red, white, blue, yellow = (
        (0.5, 0.02, 0.02),
        (0.75, 0.75, 0.74),
        (0.02, 0.10, 0.42),
        (0.7, 0.45, 0.02),
    )
    facing = (0.0, 0.0, -1.0)
    if kind == 0:  # speed limit
        face = [
            disc((0, 0, 0), facing, 0.34, red),
            disc((0, 0, -0.012), facing, 0.26, white),
            box((0, -0.12, -0.02), (0.2, 0.24, 0.005), (0.05, 0.05, 0.05)),
        ]
    elif kind == 1:  # give way, warning
        outer = np.array([[(-0.4, -0.3, 0), (0.4, -0.3, 0), (0, 0.42, 0)]])
        inner = outer * 0.66 + [0, -0.02, -0.012]
        face = [triangles(outer, red), triangles(inner, white)]
    elif kind == 2:  # parking, crossing
        face = [
            box((0, -0.33, 0), (0.66, 0.66, 0.02), blue),
            box((0, -0.2, -0.012), (0.3, 0.4, 0.01), white),
        ]
    elif kind == 3:  # right of way
        diamond = np.array([[(-0.42, 0, 0), (0, -0.42, 0), (0.42, 0, 0), (0, 0.42, 0)]])
        face = [quads(diamond, white), quads(diamond * 0.72 + [0, 0, -0.012], yellow)]
    else:  # no stopping
        face = [disc((0, 0, 0), facing, 0.33, red), disc((0, 0, -0.012), facing, 0.27, blue)]
    back = disc((0, 0, 0.02), (0, 0, 1.0), 0.3, (0.3, 0.3, 0.3))
    return join([*face, back])


def traffic_light(rng: np.random.Generator) -> Mesh:
    """The housing with three lenses, one lit, centred on x = z = 0, from y = 0, facing -z."""
    lit = int(rng.choice([0, 2, 2, 1]))
    lenses = [(0.06, 0.5, 0.10), (0.7, 0.35, 0.02), (0.75, 0.03, 0.02)]
    parts = [box((0, 0, 0), (0.32, 0.95, 0.24), (0.025, 0.028, 0.025))]
    for index, colour in enumerate(lenses):
        at = (0, 0.18 + 0.29 * index, -0.126)
        on = index == lit
        parts.append(
            disc(
                at,
                (0, 0, -1.0),
                0.11,
                np.asarray(colour) * (1.0 if on else 0.12),
                Material.SIGNAL if on else Material.PLAIN,
                12,
            )
        )
    return join(parts)


def railing(length: float, height: float = 1.1) -> Mesh:
    """A fence of bars along z, from 0 to ``length``."""
    rails = [cylinder((0, y, 0), (0, y, length), 0.03, STEEL, sides=4) for y in (0.15, height)]
    at = np.arange(0, length, 0.22)
    bar = box((0, 0, 0), (0.03, height, 0.03), STEEL)
    bars = repeat(bar, np.stack([0 * at, 0 * at, at], axis=1))
    return join([*rails, bars])
