"""A random street: its lanes, what drives on them, who walks beside them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from snr_plugins.city import scenery
from snr_plugins.city.camera import Camera
from snr_plugins.city.geometry import cylinder
from snr_plugins.city.label_ids import Label
from snr_plugins.city.mesh import Material, place, quads
from snr_plugins.city.palettes import Palette
from snr_plugins.city.plan import Junction, Lane, StreetPlan
from snr_plugins.city.roadside import KERB, START, Side, build_side, flat
from snr_plugins.city.scene import Scene, SceneBuilder
from snr_plugins.city.traffic import add_pedestrians, add_traffic

MARKING_HEIGHT = 0.004  # metres above the road: enough for the depth test, no matter for depth
PAINT_WHITE = (0.62, 0.62, 0.60)
RAIL_GAUGE = 1.435


def build_street(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Scene:
    """Draw one scene.

    Args:
        rng: the only source of randomness.
        palette: the city.
        width, height: of the image in pixels.
    """
    builder = SceneBuilder()
    plan = _draw_plan(rng, palette)
    _road(builder, palette, plan)
    cut = None
    if plan.junction is not None:
        cut = (plan.junction.z - plan.junction.half, plan.junction.z + plan.junction.half)
    sides = (
        Side(-1, -plan.left, float(rng.uniform(2.6, 4.5)), cut),
        Side(1, plan.right, float(rng.uniform(2.6, 4.5)), cut),
    )
    for side in sides:
        build_side(builder, rng, palette, side)
    _far_end(builder, rng, palette)
    if plan.junction is not None:
        _junction(builder, rng, palette, plan, sides)
    add_traffic(builder, rng, plan)
    add_pedestrians(builder, rng, sides, plan)

    camera = Camera(
        width,
        height,
        x=float(rng.uniform(-0.4, 0.4)),
        y=float(rng.uniform(1.2, 1.6)),
        pitch=float(rng.uniform(0.0, 0.045)),
    )
    elevation = np.radians(rng.uniform(*palette.sun_elevation))
    azimuth = rng.uniform(0, 2 * np.pi)
    sun = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ]
    )
    mesh, values = builder.collect()
    return Scene(
        mesh,
        values,
        camera,
        palette,
        sun,
        sunshine=0.12 if rng.random() < palette.overcast else 1.0,
        lamps=np.array(builder.lamps).reshape(-1, 3),
        beams=np.array(builder.beams).reshape(-1, 3),
        footprints=builder.footprints,
        phase=float(rng.random()),
    )


def _draw_plan(rng: np.random.Generator, palette: Palette) -> StreetPlan:
    width = float(rng.uniform(*palette.road_width))
    has_track = rng.random() < 0.5
    cycle_lane = 1.5 if rng.random() < 0.7 else 0.5
    parking = (bool(rng.random() < 0.7), bool(rng.random() < 0.7))
    lanes = [Lane(0.0, 1)]
    right = width / 2
    if rng.random() < 0.25:
        lanes.append(Lane(right + width / 2, 1))
        right += width
    left = -width / 2
    track = None
    if has_track:
        left -= 3.1
        track = left + 1.55
    for _ in range(1 if has_track or rng.random() < 0.65 else 2):
        lanes.append(Lane(left - width / 2, -1))
        left -= width
    left -= cycle_lane + 2.1 * parking[0]
    right += cycle_lane + 2.1 * parking[1]
    junction = None
    if rng.random() < 0.45:
        junction = Junction(float(rng.uniform(15, 32)), float(rng.uniform(4.2, 5.5)))
    return StreetPlan(tuple(lanes), track, left, right, parking, cycle_lane, junction)


def _road(builder: SceneBuilder, palette: Palette, plan: StreetPlan) -> None:
    ground = quads([flat(-160, 160, START, 220, -0.03)], palette.leaves, Material.GRASS)
    builder.add(ground, Label.TERRAIN)
    tone = np.full(3, palette.asphalt) * [0.98, 1.0, 1.03]
    builder.add(
        quads([flat(plan.left, plan.right, START, 220, 0.0)], tone, Material.ASPHALT),
        Label.ROAD,
    )

    lines = []
    stop = plan.junction.z - plan.junction.half - 3.5 if plan.junction else None
    reach = plan.junction.z + plan.junction.half if plan.junction else None

    def clear_of_junction(z: float) -> bool:
        return stop is None or z + 3 < stop or z > reach

    dashes = [float(z) for z in np.arange(START, 110, 7.0) if clear_of_junction(float(z))]
    centres = sorted(lane.x for lane in plan.lanes)
    for first, second in pairwise(centres):
        if second - first < 4.2:  # neighbours, not parted by a tram track
            middle = (first + second) / 2
            lines += [flat(middle - 0.07, middle + 0.07, z, z + 3, MARKING_HEIGHT) for z in dashes]
    for kerb, sign, parked in (
        (plan.left, 1, plan.parking[0]),
        (plan.right, -1, plan.parking[1]),
    ):
        inner = kerb + sign * (2.1 * parked + plan.cycle_lane)
        if plan.cycle_lane > 1 or parked:
            lines += [flat(inner - 0.06, inner + 0.06, z, z + 7, MARKING_HEIGHT) for z in dashes]
    if stop is not None:
        lines.append(flat(-1.5, plan.right, stop, stop + 0.35, MARKING_HEIGHT))
        stripes = np.arange(plan.left + 0.4, plan.right - 0.4, 1.0)
        lines += [flat(x, x + 0.5, stop + 0.8, stop + 3.3, MARKING_HEIGHT) for x in stripes]
    if lines:
        builder.add(quads(lines, PAINT_WHITE, Material.MARKING), Label.ROAD)

    if plan.track is not None:
        bed = quads(
            [flat(plan.track - 1.3, plan.track + 1.3, START, 130, 0.002)],
            tone * 1.35,
            Material.PAVING,
        )
        builder.add(bed, Label.ROAD)
        for side in (-1, 1):
            x = plan.track + side * RAIL_GAUGE / 2
            groove = quads([flat(x - 0.07, x + 0.07, START, 130, 0.003)], (0.04, 0.04, 0.04))
            rail = quads(
                [flat(x - 0.035, x + 0.035, START, 130, 0.005)], (0.32, 0.31, 0.3), Material.PAINT
            )
            builder.add(groove, Label.ROAD)
            builder.add(rail, Label.ROAD)


def _far_end(builder: SceneBuilder, rng: np.random.Generator, palette: Palette) -> None:
    """Houses and trees that close the view where the street bends away."""
    x = -60.0
    while x < 60:
        length = float(rng.uniform(12, 22))
        facade = palette.facades[rng.integers(len(palette.facades))]
        storeys = int(rng.integers(2, palette.storeys[1] + 1))
        mesh = scenery.house(rng, length, 10, storeys, facade, palette.roof)
        # Turned a quarter so that its front looks back along the street.
        builder.add(place(mesh, x, 0, 142 + rng.uniform(-4, 4), -np.pi / 2), Label.BUILDING)
        x += length
    for _ in range(int(rng.integers(0, 6))):
        tree = scenery.tree(rng, palette.leaves, False)
        builder.stand(tree, Label.VEGETATION, rng.uniform(-20, 20), rng.uniform(128, 134))


def _junction(
    builder: SceneBuilder,
    rng: np.random.Generator,
    palette: Palette,
    plan: StreetPlan,
    sides: tuple[Side, Side],
) -> None:
    z, half = plan.junction.z, plan.junction.half
    tone = np.full(3, palette.asphalt) * [0.98, 1.0, 1.03]
    for side in sides:
        near, far = side.sign * side.kerb, side.sign * 90
        builder.add(
            quads([flat(near, far, z - half, z + half, 0.0)], tone, Material.ASPHALT), Label.ROAD
        )
        dashes = [
            flat(side.sign * x, side.sign * (x + 3), z - 0.07, z + 0.07, MARKING_HEIGHT)
            for x in np.arange(side.kerb + 2, 60, 7.0)
        ]
        builder.add(quads(dashes, PAINT_WHITE, Material.MARKING), Label.ROAD)
        for row in (z - half - 2.5, z + half + 2.5):
            x = side.sign * (side.edge + 22)
            while abs(x) < 80:
                tree = scenery.tree(rng, palette.leaves, False)
                builder.stand(tree, Label.VEGETATION, x, row)
                x += side.sign * rng.uniform(7, 12)
        x = side.sign * 92
        facade = palette.facades[rng.integers(len(palette.facades))]
        block = scenery.house(rng, 40, 10, 4, facade, palette.roof)
        placed = place(block, x, 0, z - 20) if side.sign > 0 else place(block, x, 0, z + 20, np.pi)
        builder.add(placed, Label.BUILDING)
    if rng.random() < 0.75:
        for side in sides:
            x, at = side.sign * (side.kerb + 0.5), z - half - 1.2
            pole = cylinder((0, 0, 0), (0, 3.3, 0), 0.06, scenery.STEEL, sides=7)
            builder.stand(pole, Label.POLE, x, at, y=KERB, footprint=(0.3, 0.3))
            light = scenery.traffic_light(rng)
            builder.stand(light, Label.TRAFFIC_LIGHT, x, at - 0.18, y=KERB + 2.3)
