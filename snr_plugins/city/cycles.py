"""Bicycles and motorcycles, and the people who ride them."""

from __future__ import annotations

import numpy as np

from snr_plugins.city.geometry import box, cylinder, disc, ellipsoid, ring
from snr_plugins.city.mesh import Material, Mesh, join
from snr_plugins.city.people import person, random_outfit, riding_pose
from snr_plugins.city.vehicle_parts import (
    CHROME,
    DARK,
    GLASS_TINT,
    HEADLAMP,
    RUBBER,
    TAIL_LAMP,
    random_paint,
)


def bicycle(rng: np.random.Generator) -> Mesh:
    """A bicycle 1.8 m long."""
    radius, rear, front = 0.34, -0.52, 0.56
    paint = random_paint(rng)
    crank, saddle = np.array([0, 0.3, -0.08]), np.array([0, 0.9, -0.24])
    head, fork = np.array([0, 0.86, 0.36]), np.array([0, radius, front])
    axle = np.array([0, radius, rear])
    bars = [
        (crank, saddle, 0.025),
        (crank, head - [0, 0.1, -0.03], 0.028),
        (saddle - [0, 0.1, -0.03], head, 0.024),
        (crank, axle, 0.02),
        (saddle - [0, 0.12, -0.03], axle, 0.018),
        (head + [0, 0.06, -0.02], fork, 0.022),
    ]
    parts = [cylinder(a, b, r, paint, Material.PAINT, 6) for a, b, r in bars]
    for z in (rear, front):
        parts.append(ring((0, radius, z), radius, 0.026, RUBBER))
        parts.append(ring((0, radius, z), radius - 0.035, 0.012, CHROME))
        spokes = np.arange(6) * np.pi / 6
        parts += [
            cylinder(
                (0, radius + 0.3 * np.sin(a), z + 0.3 * np.cos(a)),
                (0, radius - 0.3 * np.sin(a), z - 0.3 * np.cos(a)),
                0.006,
                (0.3, 0.3, 0.3),
                sides=3,
            )
            for a in spokes
        ]
    grips = head + [0, 0.14, 0.02]
    parts += [
        cylinder(head, grips, 0.02, CHROME, sides=5),
        cylinder(grips - [0.28, 0, 0.06], grips + [0.28, 0, -0.06], 0.022, DARK, sides=5),
        ellipsoid(saddle + [0, 0.03, 0], (0.08, 0.035, 0.14), DARK, detail=(4, 6)),
        disc(crank + [0.04, 0, 0], (1, 0, 0), 0.09, CHROME, sides=10),
        cylinder(crank - [0.14, 0.14, 0], crank + [0.14, 0.14, 0], 0.02, DARK, sides=4),
        box((0, 0.62, rear - 0.32), (0.07, 0.06, 0.03), TAIL_LAMP, Material.TAIL_LAMP),
        box(head + [0, -0.06, 0.1], (0.07, 0.07, 0.04), HEADLAMP, Material.HEADLAMP),
    ]
    if rng.random() < 0.35:
        parts.append(box(head + [0, -0.02, 0.22], (0.32, 0.22, 0.26), (0.2, 0.13, 0.07)))
    return join(parts)


def cyclist(rng: np.random.Generator) -> Mesh:
    """The person for `bicycle`."""
    pose = riding_pose(
        (0, 0.93, -0.24), (0, 1.0, 0.36), (0, 0.3, -0.08), rng.uniform(0.2, 0.6), 0.14
    )
    helmet = random_paint(rng) * 1.1 if rng.random() < 0.5 else None
    return person(pose, random_outfit(rng), helmet)


def motorcycle(rng: np.random.Generator) -> Mesh:
    """A motorcycle 2.1 m long."""
    radius, rear, front = 0.31, -0.68, 0.72
    paint = random_paint(rng)
    axle, hub = np.array([0, radius, rear]), np.array([0, radius, front])
    head = np.array([0, 0.92, 0.42])
    parts = []
    for z, width in ((rear, 0.085), (front, 0.065)):
        parts.append(ring((0, radius, z), radius - width * 0.7, width, RUBBER))
        parts.append(
            cylinder((-0.03, radius, z), (0.03, radius, z), radius * 0.62, CHROME, sides=12)
        )
    for side in (-1, 1):
        parts.append(
            cylinder(hub + [side * 0.1, 0, 0], head + [side * 0.1, 0, 0], 0.03, CHROME, sides=6)
        )
        parts.append(
            cylinder(axle + [side * 0.1, 0, 0], (side * 0.1, 0.45, -0.1), 0.035, DARK, sides=6)
        )
        parts.append(
            cylinder(
                (side * 0.14, 0.36, -0.95), (side * 0.14, 0.3, 0.1), 0.05, CHROME, Material.PAINT, 7
            )
        )
        grip = head + [side * 0.36, 0.16, -0.12]
        parts.append(cylinder(head + [0, 0.12, 0], grip, 0.025, DARK, sides=5))
        mirror = grip + [side * 0.02, 0.18, 0.04]
        parts.append(cylinder(grip, mirror, 0.012, DARK, sides=4))
        parts.append(ellipsoid(mirror, (0.08, 0.05, 0.025), DARK, detail=(3, 6)))
    parts += [
        box((0, 0.3, 0.05), (0.36, 0.34, 0.5), (0.12, 0.12, 0.13)),
        ellipsoid((0, 0.82, 0.16), (0.19, 0.17, 0.34), paint, Material.PAINT),
        ellipsoid((0, 0.77, -0.38), (0.16, 0.09, 0.42), DARK),
        ellipsoid((0, 0.82, -0.78), (0.12, 0.11, 0.26), paint, Material.PAINT),
        ellipsoid((0, 0.92, 0.56), (0.2, 0.2, 0.16), paint, Material.PAINT),
        ellipsoid((0, 0.64, front), (0.09, 0.07, 0.26), paint, Material.PAINT, (4, 8)),
        box((0, 1.02, 0.58), (0.3, 0.26, 0.03), GLASS_TINT, Material.GLASS, (0.7, 1.0)),
        disc((0, 0.93, 0.725), (0, 0, 1), 0.1, HEADLAMP, Material.HEADLAMP, 10),
        box((0, 0.8, -1.05), (0.18, 0.1, 0.03), TAIL_LAMP, Material.TAIL_LAMP),
        box((0, 0.5, -1.0), (0.18, 0.16, 0.02), (0.7, 0.7, 0.66)),
    ]
    if rng.random() < 0.3:
        parts.append(box((0, 0.92, -0.82), (0.4, 0.34, 0.36), paint * 0.6, Material.PAINT))
    return join(parts)


def motorcyclist(rng: np.random.Generator) -> Mesh:
    """The person for `motorcycle`, always with a helmet."""
    pose = riding_pose(
        (0, 0.84, -0.3), (0, 1.08, 0.3), (0, 0.32, -0.05), rng.uniform(0.15, 0.45), 0.0
    )
    return person(pose, random_outfit(rng), random_paint(rng))
