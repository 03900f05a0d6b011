"""The plan of a street: where its lanes, kerbs and junction lie, before anything stands on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Junction:
    """A crossing road: its middle along z and half its width in metres."""

    z: float
    half: float


@dataclass(frozen=True)
class Lane:
    """A lane with its middle at x; direction 1 drives away from the camera, -1 towards it."""

    x: float
    direction: int


@dataclass(frozen=True)
class StreetPlan:
    """The street from left to right in metres; x = 0 is the middle of the camera's own lane."""

    lanes: tuple[Lane, ...]
    track: float | None  # x of the tram track
    left: float  # x of the left kerb
    right: float
    parking: tuple[bool, bool]  # left, right
    cycle_lane: float  # width, 0 without
    junction: Junction | None
