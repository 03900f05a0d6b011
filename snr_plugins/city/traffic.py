"""What moves or parks in a street, kept apart so that nothing drives through anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from snr_plugins.city.cars import car
from snr_plugins.city.coaches import bus, tram
from snr_plugins.city.cycles import bicycle, cyclist, motorcycle, motorcyclist
from snr_plugins.city.label_ids import Label
from snr_plugins.city.people import pedestrian
from snr_plugins.city.plan import Junction, Lane, StreetPlan
from snr_plugins.city.roadside import KERB, Side
from snr_plugins.city.scene import SceneBuilder
from snr_plugins.city.trucks import truck

# Real streets hold few of the rarer classes. Here they are frequent on purpose: a detector that
# learns from a few hundred frames must meet each of them often enough.
CHANCE = {
    Label.TRUCK: 0.60,
    Label.BUS: 0.58,
    Label.TRAIN: 0.90,  # where there is a track
    Label.MOTORCYCLE: 0.75,
    Label.BICYCLE: 0.90,
}
MAKERS: dict[Label, Callable] = {Label.TRUCK: truck, Label.BUS: bus, Label.TRAIN: tram}


@dataclass
class Row:
    """Objects one behind another along z, and the stretches they take up."""

    taken: list[tuple[float, float]] = field(default_factory=list)

    def find(
        self, rng: np.random.Generator, length: float, near: float, far: float, gap: float
    ) -> float | None:
        """A free middle position between near and far, more often near; None where full."""
        for _ in range(14):
            middle = near + length / 2 + (far - near) * rng.random() ** 1.4
            start, end = middle - length / 2 - gap, middle + length / 2 + gap
            if all(end < a or start > b for a, b in self.taken):
                self.taken.append((start + gap, end - gap))
                return middle
        return None


def add_traffic(builder: SceneBuilder, rng: np.random.Generator, plan: StreetPlan) -> None:
    """Vehicles in the lanes, on the track, across the junction and at the kerb."""
    rows = {lane: Row() for lane in plan.lanes}
    on_track = None
    if plan.track is not None and rng.random() < CHANCE[Label.TRAIN]:
        on_track = _tram(builder, rng, plan.track)
    if plan.junction is not None:
        crossed = (
            plan.junction.z - plan.junction.half,
            plan.junction.z + plan.junction.half,
        )
        for row in rows.values():
            row.taken.append(crossed)
        if on_track is None or on_track[1] < crossed[0] or on_track[0] > crossed[1]:
            _cross_traffic(builder, rng, plan.junction)
    wanted = [kind for kind in (Label.TRUCK, Label.BUS) if rng.random() < CHANCE[kind]]
    for kind in rng.permutation(wanted):
        _drive(builder, rng, rows, Label(kind))
    if rng.random() < CHANCE[Label.MOTORCYCLE]:
        _drive(builder, rng, rows, Label.MOTORCYCLE)
    for _ in range(int(rng.integers(1, 5))):
        _drive(builder, rng, rows, Label.CAR)
    _cyclists(builder, rng, plan)
    _parked(builder, rng, plan)


def _vehicle(rng: np.random.Generator, label: Label):
    """Mesh, length and width of a moving vehicle."""
    return car(rng, lamps_on=True) if label == Label.CAR else MAKERS[label](rng)


def _drive(
    builder: SceneBuilder, rng: np.random.Generator, rows: dict[Lane, Row], label: Label
) -> None:
    """One moving vehicle in a random lane with room for it."""
    lanes = list(rows)
    for index in rng.permutation(len(lanes)):
        lane = lanes[index]
        # Straight ahead a big vehicle hides the street behind it: leave it some distance.
        in_front = lane.x == 0.0
        big = label in (Label.TRUCK, Label.BUS)
        near = (15.0 if big else 10.0) if in_front else 8.0
        if label == Label.MOTORCYCLE:
            place_at = rows[lane].find(rng, 2.1, 6.5 if in_front else 8.0, 24.0, 2.5)
            if place_at is not None:
                x = lane.x + rng.uniform(-0.8, 0.8)
                _ridden(builder, rng, Label.MOTORCYCLE, x, place_at, lane.direction)
                return
            continue
        mesh, length, width = _vehicle(rng, label)
        middle = rows[lane].find(rng, length, near, 32.0 if big else 45.0, 3.0)
        if middle is not None:
            yaw = (0.0 if lane.direction > 0 else np.pi) + rng.normal(0, 0.02)
            x = lane.x + rng.uniform(-0.25, 0.25)
            builder.stand(mesh, label, x, middle, yaw, footprint=(width, length))
            builder.beams.append(np.array([x, 0.7, middle + lane.direction * (length / 2 + 2.5)]))
            return


def _tram(builder: SceneBuilder, rng: np.random.Generator, track: float) -> tuple[float, float]:
    """A tram, and where along z it begins and ends."""
    mesh, length, width = tram(rng)
    start = rng.uniform(9.0, 30.0)
    yaw = 0.0 if rng.random() < 0.5 else np.pi
    middle = start + length / 2
    builder.stand(mesh, Label.TRAIN, track, middle, yaw, footprint=(width, length))
    return start, start + length


def _cross_traffic(builder: SceneBuilder, rng: np.random.Generator, junction: Junction) -> None:
    """Vehicles that show their side; those that drive right keep to the near half."""
    for direction in (-1, 1):
        if rng.random() < 0.3:
            continue
        z = junction.z - direction * junction.half / 2
        label = Label(
            rng.choice(
                [Label.CAR, Label.CAR, Label.TRUCK, Label.BUS, Label.MOTORCYCLE, Label.BICYCLE]
            )
        )
        x = rng.uniform(-0.3, 0.3) * z
        yaw = direction * np.pi / 2 + rng.normal(0, 0.04)
        if label in (Label.MOTORCYCLE, Label.BICYCLE):
            _ridden(builder, rng, label, x, z, 1, yaw)
            continue
        mesh, length, width = _vehicle(rng, label)
        builder.stand(mesh, label, x, z, yaw, footprint=(width, length))
        builder.beams.append(np.array([x + direction * (length / 2 + 2.5), 0.7, z]))


def _ridden(
    builder: SceneBuilder,
    rng: np.random.Generator,
    label: Label,
    x: float,
    z: float,
    direction: int,
    yaw: float | None = None,
) -> None:
    """A cycle and, as an instance of its own, the person on it."""
    if yaw is None:
        yaw = (0.0 if direction > 0 else np.pi) + rng.normal(0, 0.12)
    cycle, ridden_by = (
        (motorcycle(rng), motorcyclist(rng))
        if label == Label.MOTORCYCLE
        else (bicycle(rng), cyclist(rng))
    )
    builder.stand(cycle, label, x, z, yaw, footprint=(0.5, 1.8))
    builder.stand(ridden_by, Label.RIDER, x, z, yaw)


def _cyclists(builder: SceneBuilder, rng: np.random.Generator, plan: StreetPlan) -> None:
    if rng.random() > CHANCE[Label.BICYCLE]:
        return
    for _ in range(int(rng.integers(1, 3))):
        right = rng.random() < 0.65
        if right:
            x = plan.right - 2.1 * plan.parking[1] - max(plan.cycle_lane, 1.0) / 2
            z = rng.uniform(7.5, 22)
        else:
            x = plan.left + 2.1 * plan.parking[0] + max(plan.cycle_lane, 1.0) / 2
            z = rng.uniform(max(9.0, -x * 2.4), 30)
        if not _in_junction(plan, z):
            _ridden(builder, rng, Label.BICYCLE, x, z, 1 if right else -1)


def _in_junction(plan: StreetPlan, z: float, margin: float = 1.5) -> bool:
    junction = plan.junction
    return junction is not None and abs(z - junction.z) < junction.half + margin


def _parked(builder: SceneBuilder, rng: np.random.Generator, plan: StreetPlan) -> None:
    """Cars at the kerb, a lorry now and then, and unridden cycles on the sidewalk."""
    for index, (kerb, sign) in enumerate(((plan.left, -1), (plan.right, 1))):
        share = rng.uniform(0.3, 0.75)
        z = rng.uniform(6, 12)
        while plan.parking[index] and z < 70:
            if rng.random() < share and not _in_junction(plan, z, 7.0):
                label = Label.TRUCK if rng.random() < 0.04 else Label.CAR
                mesh, length, width = (
                    truck(rng) if label == Label.TRUCK else car(rng, lamps_on=False)
                )
                x = kerb - sign * (width / 2 + rng.uniform(0.1, 0.3))
                yaw = (0.0 if sign > 0 else np.pi) + rng.normal(0, 0.025)
                builder.stand(mesh, label, x, z + length / 2, yaw, footprint=(width, length))
                z += length
            z += rng.uniform(1.2, 4.0)
    for label, make, chance in (
        (Label.BICYCLE, bicycle, 0.65),
        (Label.MOTORCYCLE, motorcycle, 0.5),
    ):
        if rng.random() > chance:
            continue
        kerb, sign = (plan.left, -1) if rng.random() < 0.4 else (plan.right, 1)
        x = kerb + sign * rng.uniform(1.2, 1.8)
        start = max(7.0, abs(x) * 2.3)
        z = rng.uniform(start, start + 12)
        for _ in range(
            int(rng.integers(1, 4)) if label == Label.BICYCLE else int(rng.integers(1, 3))
        ):
            if not _in_junction(plan, z):
                yaw = rng.normal(0.9 * sign, 0.35)
                builder.stand(make(rng), label, x, z, yaw, y=KERB, footprint=(0.4, 1.6))
            z += rng.uniform(1.0, 1.6)


def add_pedestrians(
    builder: SceneBuilder, rng: np.random.Generator, sides: tuple[Side, Side], plan: StreetPlan
) -> None:
    """People on both sidewalks, and some on the zebra crossing or between the cars."""
    for side in sides:
        for _ in range(int(rng.integers(2, 7))):
            x = side.kerb + rng.uniform(1.3, side.sidewalk - 0.3)
            start = max(7.0, x * 2.3)
            z = start + 24 * rng.random() ** 1.7
            yaw = rng.choice([0.0, np.pi]) + rng.normal(0, 0.35)
            if not _in_junction(plan, z):
                builder.stand(
                    pedestrian(rng), Label.PERSON, side.sign * x, z, yaw, KERB, (0.5, 0.5)
                )
    crossing = plan.junction.z - plan.junction.half - 1.5 if plan.junction else None
    for _ in range(int(rng.integers(1, 5))):
        x = rng.uniform(plan.left + 0.5, plan.right - 0.5)
        if crossing is not None and crossing > 8:
            z = crossing + rng.uniform(-0.9, 0.9)
        elif plan.track is None and rng.random() < 0.5:
            # Between the camera's lane and the parked cars, where people step out.
            x, z = plan.right - 0.3, rng.uniform(8, 25)
        else:
            continue
        yaw = rng.choice([-1, 1]) * np.pi / 2 + rng.normal(0, 0.2)
        builder.stand(pedestrian(rng), Label.PERSON, x, z, yaw, footprint=(0.5, 0.5))
