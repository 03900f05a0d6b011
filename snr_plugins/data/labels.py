"""Cityscapes label ids of the classes that have instances and are evaluated."""

from __future__ import annotations

# In the order of Cityscapes' own table, which is also the order of every published
# Cityscapes -> Foggy Cityscapes detection table. Caravans (29) and trailers (30) have instances
# too but Cityscapes does not evaluate them.
THING_CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")
THING_LABEL_IDS = (24, 25, 26, 27, 28, 31, 32, 33)

CATEGORY_OF_LABEL_ID = {label_id: index for index, label_id in enumerate(THING_LABEL_IDS)}
