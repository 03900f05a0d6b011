"""From Mapillary Vistas' 66 labels of v1.2 (Neuhold et al., ICCV 2017) to Cityscapes' classes.

Two mappings are in use, and numbers made with one do not compare with the other:

- ``robustnet``: 25 labels, as in RobustNet's and HRDA's loaders;
- ``rein``: 34 labels, as in the converter that openseg, DDB and Rein share. Lanes of bicycles,
  crossings, parking and service lanes are road too, curb cuts and pedestrian areas sidewalk, street
  lights poles, frames and backs of signs traffic signs; manholes are void, not road.
"""

from __future__ import annotations

LABEL_COUNT = 66  # of v1.2; v2.0 has 124
MAPPINGS = ("robustnet", "rein")

ROBUSTNET_IDS: dict[str, tuple[int, ...]] = {
    "road": (13, 24, 41),
    "sidewalk": (2, 15),
    "building": (17,),
    "wall": (6,),
    "fence": (3,),
    "pole": (45, 47),
    "traffic light": (48,),
    "traffic sign": (50,),
    "vegetation": (30,),
    "terrain": (29,),
    "sky": (27,),
    "person": (19,),
    "rider": (20, 21, 22),
    "car": (55,),
    "truck": (61,),
    "bus": (54,),
    "train": (58,),
    "motorcycle": (57,),
    "bicycle": (52,),
}
REIN_IDS: dict[str, tuple[int, ...]] = {
    **ROBUSTNET_IDS,
    "road": (13, 24, 7, 8, 10, 14, 23),
    "sidewalk": (2, 15, 9, 11),
    "pole": (45, 47, 44),
    "traffic sign": (50, 46, 49),
}


def void_ids(ids: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The labels of v1.2 that a mapping leaves out."""
    kept = {label for labels in ids.values() for label in labels}
    return tuple(label for label in range(LABEL_COUNT) if label not in kept)
