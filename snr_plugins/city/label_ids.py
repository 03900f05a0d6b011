"""The Cityscapes label ids that the synthetic city uses."""

from __future__ import annotations

from enum import IntEnum

from snr_plugins.data.labels import THING_LABEL_IDS


class Label(IntEnum):
    """Values as in Cityscapes' own table of labels."""

    ROAD = 7
    SIDEWALK = 8
    BUILDING = 11
    WALL = 12
    FENCE = 13
    POLE = 17
    TRAFFIC_LIGHT = 19
    TRAFFIC_SIGN = 20
    VEGETATION = 21
    TERRAIN = 22
    SKY = 23
    PERSON = 24
    RIDER = 25
    CAR = 26
    TRUCK = 27
    BUS = 28
    TRAIN = 31
    MOTORCYCLE = 32
    BICYCLE = 33

    @property
    def text(self) -> str:
        """The name as Cityscapes writes it."""
        return self.name.lower().replace("_", " ")

    @property
    def is_thing(self) -> bool:
        """Whether single instances are told apart."""
        return self in THING_LABEL_IDS
