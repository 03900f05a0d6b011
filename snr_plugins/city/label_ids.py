"""The Cityscapes label ids that the synthetic city uses."""

from __future__ import annotations

from enum import IntEnum

from snr_plugins.data.labels import CITYSCAPES_IDS, THING_LABEL_IDS


class Label(IntEnum):
    """One member for each class of Cityscapes' own table of labels, with its id there."""

    ROAD = CITYSCAPES_IDS["road"]
    SIDEWALK = CITYSCAPES_IDS["sidewalk"]
    BUILDING = CITYSCAPES_IDS["building"]
    WALL = CITYSCAPES_IDS["wall"]
    FENCE = CITYSCAPES_IDS["fence"]
    POLE = CITYSCAPES_IDS["pole"]
    TRAFFIC_LIGHT = CITYSCAPES_IDS["traffic light"]
    TRAFFIC_SIGN = CITYSCAPES_IDS["traffic sign"]
    VEGETATION = CITYSCAPES_IDS["vegetation"]
    TERRAIN = CITYSCAPES_IDS["terrain"]
    SKY = CITYSCAPES_IDS["sky"]
    PERSON = CITYSCAPES_IDS["person"]
    RIDER = CITYSCAPES_IDS["rider"]
    CAR = CITYSCAPES_IDS["car"]
    TRUCK = CITYSCAPES_IDS["truck"]
    BUS = CITYSCAPES_IDS["bus"]
    TRAIN = CITYSCAPES_IDS["train"]
    MOTORCYCLE = CITYSCAPES_IDS["motorcycle"]
    BICYCLE = CITYSCAPES_IDS["bicycle"]

    @property
    def text(self) -> str:
        """The name as Cityscapes writes it."""
        return self.name.lower().replace("_", " ")

    @property
    def is_thing(self) -> bool:
        """Whether single instances are told apart."""
        return self in THING_LABEL_IDS
