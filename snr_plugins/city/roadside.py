"""The two sides of a street: sidewalks, houses, gardens, trees, lamps and signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snr_plugins.city import scenery
from snr_plugins.city.geometry import box, cylinder
from snr_plugins.city.label_ids import Label
from snr_plugins.city.mesh import Material, place, quads
from snr_plugins.city.palettes import Palette
from snr_plugins.city.scene import SceneBuilder

START, END = -6.0, 130.0  # metres along the street
KERB = 0.13  # height of the sidewalk in metres


@dataclass(frozen=True)
class Side:
    """One side of the street.

    Args:
        sign: -1 left, 1 right.
        kerb: |x| where the road ends.
        sidewalk: its width in metres.
        junction: (start, end) along z of a crossing road, or None.
    """

    sign: int
    kerb: float
    sidewalk: float
    junction: tuple[float, float] | None

    @property
    def edge(self) -> float:
        """|x| where the sidewalk ends."""
        return self.kerb + self.sidewalk

    def stretches(self) -> list[tuple[float, float]]:
        """Parts of the street that are not cut by the junction."""
        if self.junction is None:
            return [(START, END)]
        return [(START, self.junction[0]), (self.junction[1], END)]


def build_side(
    builder: SceneBuilder, rng: np.random.Generator, palette: Palette, side: Side
) -> None:
    """Everything from the kerb outwards."""
    for start, end in side.stretches():
        _sidewalk(builder, palette, side, start, end)
        z = start
        while z < end - 6:
            length = min(float(rng.uniform(9, 20)), end - z)
            if rng.random() < palette.green:
                _garden(builder, rng, palette, side, z, length)
            else:
                _house(builder, rng, palette, side, z, length)
            z += length + (rng.uniform(1.5, 4) if rng.random() < 0.15 else 0.0)
    _trees_and_posts(builder, rng, palette, side)


def flat(x0: float, x1: float, z0: float, z1: float, y: float) -> list[tuple[float, float, float]]:
    """Corners of a level rectangle."""
    return [(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)]


def _sidewalk(
    builder: SceneBuilder, palette: Palette, side: Side, start: float, end: float
) -> None:
    inner, outer = side.sign * side.kerb, side.sign * side.edge
    tone = np.full(3, palette.paving) * [1.0, 0.97, 0.93]
    builder.add(
        quads([flat(inner, outer, start, end, KERB)], tone, Material.PAVING), Label.SIDEWALK
    )
    stone = side.sign * (side.kerb + 0.15)
    builder.add(quads([flat(inner, stone, start, end, KERB + 0.004)], tone * 1.25), Label.SIDEWALK)
    faces = [[(inner, 0, start), (inner, 0, end), (inner, KERB, end), (inner, KERB, start)]]
    faces += [
        [(inner, 0, z), (outer, 0, z), (outer, KERB, z), (inner, KERB, z)] for z in (start, end)
    ]
    builder.add(quads(faces, tone * 1.1), Label.SIDEWALK)


def _house(
    builder: SceneBuilder,
    rng: np.random.Generator,
    palette: Palette,
    side: Side,
    z: float,
    length: float,
) -> None:
    facade = palette.facades[rng.integers(len(palette.facades))]
    storeys = int(rng.integers(palette.storeys[0], palette.storeys[1] + 1))
    mesh = scenery.house(rng, length, 11.0, storeys, facade, palette.roof)
    x = side.sign * (side.edge + rng.uniform(0, 0.5))
    # The house is modelled for the right side; turned half round it faces the street on the left.
    placed = place(mesh, x, 0, z) if side.sign > 0 else place(mesh, x, 0, z + length, np.pi)
    builder.add(placed, Label.BUILDING)
    low, high = sorted((x, x + side.sign * 11))
    builder.footprints.append(
        np.array([(low, z), (high, z), (high, z + length), (low, z + length)])
    )


def _garden(
    builder: SceneBuilder,
    rng: np.random.Generator,
    palette: Palette,
    side: Side,
    z: float,
    length: float,
) -> None:
    near, far = side.sign * side.edge, side.sign * (side.edge + 26)
    grass = np.array(palette.leaves) * [1.1, 1.15, 1.0]
    builder.add(quads([flat(near, far, z, z + length, KERB)], grass, Material.GRASS), Label.TERRAIN)
    border = rng.choice(["railing", "wall", "hedge", "none"], p=[0.4, 0.25, 0.2, 0.15])
    if border == "railing":
        builder.add(place(scenery.railing(length), near, KERB, z), Label.FENCE)
    elif border == "wall":
        tone = np.array([0.32, 0.29, 0.25]) * rng.uniform(0.7, 1.3)
        builder.add(
            box((near + side.sign * 0.15, 0, z + length / 2), (0.3, 1.1, length), tone), Label.WALL
        )
        cap = box((near + side.sign * 0.15, 1.1, z + length / 2), (0.4, 0.08, length), tone * 1.2)
        builder.add(cap, Label.WALL)
    elif border == "hedge":
        hedge = scenery.hedge(rng, length, 1.3, palette.leaves)
        builder.add(place(hedge, near + side.sign * 0.7, KERB, z), Label.VEGETATION)
    for _ in range(int(rng.integers(2, 5))):
        x = near + side.sign * rng.uniform(3, 13)
        where = z + rng.uniform(0, length)
        builder.stand(scenery.tree(rng, palette.leaves, where < 45), Label.VEGETATION, x, where)
    if rng.random() < 0.6:
        facade = palette.facades[rng.integers(len(palette.facades))]
        mesh = scenery.house(rng, length * 0.7, 9.0, 2, facade, palette.roof)
        x = near + side.sign * 14
        placed = (
            place(mesh, x, 0, z) if side.sign > 0 else place(mesh, x, 0, z + length * 0.7, np.pi)
        )
        builder.add(placed, Label.BUILDING)


def _trees_and_posts(
    builder: SceneBuilder, rng: np.random.Generator, palette: Palette, side: Side
) -> None:
    x = side.sign * (side.kerb + 0.75)
    lamp_at = rng.uniform(4, 20)
    tree_share = rng.uniform(0.15, 0.7)
    z = rng.uniform(7, 13)
    while z < 95:
        in_junction = (
            side.junction is not None and side.junction[0] - 1.5 < z < side.junction[1] + 1.5
        )
        if not in_junction:
            chance = rng.random()
            if z > lamp_at:
                post, head = scenery.lamp_post(side.sign)
                builder.stand(post, Label.POLE, x, z, y=KERB, footprint=(0.3, 0.3))
                builder.lamps.append(head + [x, KERB, z])
                lamp_at = z + rng.uniform(20, 28)
            elif chance < tree_share:
                tree = scenery.tree(rng, palette.leaves, z < 45)
                builder.stand(tree, Label.VEGETATION, x, z, y=KERB, footprint=(1.0, 1.0))
            elif chance < tree_share + 0.35:
                _sign(builder, rng, x, z)
        z += rng.uniform(4.5, 9)


def _sign(builder: SceneBuilder, rng: np.random.Generator, x: float, z: float) -> None:
    height = rng.uniform(2.2, 2.6)
    pole = cylinder((0, 0, 0), (0, height + 0.4, 0), 0.035, scenery.STEEL, sides=6)
    builder.stand(pole, Label.POLE, x, z, y=KERB, footprint=(0.2, 0.2))
    plate = place(scenery.sign_plate(rng), y=height, z=-0.06)
    # Signs on the left face the traffic that comes the other way; a third face the camera anyway.
    yaw = 0.0 if x > 0 or rng.random() < 0.35 else np.pi
    builder.stand(plate, Label.TRAFFIC_SIGN, x, z, yaw=yaw, y=KERB)
