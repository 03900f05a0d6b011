"""Cityscapes' own table of labels: the one place that says which id a class has.

From cityscapesScripts, helpers/labels.py. Other tables, and the synthetic city, derive from it.
"""

from __future__ import annotations

# The classes that are evaluated, in Cityscapes' order, which is also that of its train ids.
CITYSCAPES_IDS = {
    "road": 7,
    "sidewalk": 8,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}
CITYSCAPES_CLASSES = tuple(CITYSCAPES_IDS)

# Those of them that have instances, in the order of every published Cityscapes -> Foggy Cityscapes
# detection table. Caravans (29) and trailers (30) have instances too but are not evaluated.
THING_CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
THING_LABEL_IDS = tuple(CITYSCAPES_IDS[name] for name in THING_CLASSES)

CATEGORY_OF_LABEL_ID = {label_id: index for index, label_id in enumerate(THING_LABEL_IDS)}
