"""From the ids that a dataset's label images hold to train ids, as tables.

Only the tables know a dataset's ids; label images are never rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from snr_plugins.data import mapillary
from snr_plugins.data.labels import CITYSCAPES_CLASSES, CITYSCAPES_IDS
from snr_plugins.errors import InputError

VOID = 255  # pixels that neither loss nor score counts
UNKNOWN = -1  # an id that the dataset does not define: the file is damaged or of another dataset

# Train ids are positions in CITYSCAPES_CLASSES, or in the classes of another table below.

# SYNTHIA labels hardly any terrain, truck and train; results are given for the other 16 classes,
# and for 13, without the three that are hard to draw a border around.
SYNTHIA_16_CLASSES = tuple(
    name for name in CITYSCAPES_CLASSES if name not in ("terrain", "truck", "train")
)
SYNTHIA_13_CLASSES = tuple(
    name for name in SYNTHIA_16_CLASSES if name not in ("wall", "fence", "pole")
)
CROSS_CITY_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "traffic light",
    "traffic sign",
    "vegetation",
    "sky",
    "person",
    "rider",
    "car",
    "bus",
    "motorcycle",
    "bicycle",
)
CAMVID_CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
CAMVID_PALETTE = (
    (128, 128, 128),
    (128, 0, 0),
    (192, 192, 128),
    (128, 64, 128),
    (60, 40, 222),
    (128, 128, 0),
    (192, 128, 128),
    (64, 64, 128),
    (64, 0, 128),
    (64, 64, 0),
    (0, 128, 192),
)

# 0 to 33 are defined by Cityscapes; the licence plate's -1 is 255 in an 8 bit image.
_CITYSCAPES_VOID_IDS = tuple(set((*range(34), VOID)) - set(CITYSCAPES_IDS.values()))

# SYNTHIA-RAND-CITYSCAPES, from the README of its archive: raw id of each Cityscapes class.
_SYNTHIA_IDS = {
    "road": 3,
    "sidewalk": 4,
    "building": 2,
    "wall": 21,
    "fence": 5,
    "pole": 7,
    "traffic light": 15,
    "traffic sign": 9,
    "vegetation": 6,
    "sky": 1,
    "person": 10,
    "rider": 17,
    "car": 8,
    "bus": 19,
    "motorcycle": 12,
    "bicycle": 11,
}
# void, parking slot, road work, terrain, truck, train, lane marking
_SYNTHIA_VOID_IDS = (0, 13, 14, 16, 18, 20, 22)

Ids = Mapping[str, int | tuple[int, ...]]
# Per table: the classes, the raw id or ids of each class that occurs, the raw ids that are void.
_TABLES: dict[str, tuple[tuple[str, ...], Ids, tuple[int, ...]]] = {
    "cityscapes": (CITYSCAPES_CLASSES, CITYSCAPES_IDS, _CITYSCAPES_VOID_IDS),
    # GTA5 (Richter et al. 2016) uses the ids of Cityscapes and gives licence plates their own, 34.
    "gta5": (CITYSCAPES_CLASSES, CITYSCAPES_IDS, (*_CITYSCAPES_VOID_IDS, 34)),
    "synthia": (CITYSCAPES_CLASSES, _SYNTHIA_IDS, _SYNTHIA_VOID_IDS),
    # Cross-City (Chen et al. 2017, arXiv 1704.08509) labels 13 classes under the ids of Cityscapes.
    "cross_city": (
        CITYSCAPES_CLASSES,
        {name: CITYSCAPES_IDS[name] for name in CROSS_CITY_CLASSES},
        (
            *_CITYSCAPES_VOID_IDS,
            *(
                CITYSCAPES_IDS[name]
                for name in CITYSCAPES_CLASSES
                if name not in CROSS_CITY_CLASSES
            ),
        ),
    ),
    # BDD100K's masks hold train ids as they are
    "cityscapes_train_ids": (
        CITYSCAPES_CLASSES,
        {name: i for i, name in enumerate(CITYSCAPES_CLASSES)},
        (VOID,),
    ),
    **{
        f"mapillary_{name}": (CITYSCAPES_CLASSES, ids, mapillary.void_ids(ids))
        for name, ids in (
            ("robustnet", mapillary.ROBUSTNET_IDS),
            ("rein", mapillary.REIN_IDS),
        )
    },
    # 11 is the void of the published label images with 11 classes
    "camvid": (CAMVID_CLASSES, {name: i for i, name in enumerate(CAMVID_CLASSES)}, (11, VOID)),
}
TABLE_NAMES = tuple(_TABLES)
CLASSES = {name: classes for name, (classes, _, _) in _TABLES.items()}  # of each table

# These label images are 16 bit colour; the class is in the red channel, the instance in another.
IN_RED_CHANNEL = ("synthia",)


def lookup_table(name: str) -> np.ndarray:
    """Train id of every raw id, to be indexed with a label image.

    Args:
        name: one of ``TABLE_NAMES``.

    Returns:
        (65536,), int16: a train id, ``VOID``, or ``UNKNOWN`` where the dataset defines no such id.

    Raises:
        InputError: there is no table of this name.
    """
    if name not in _TABLES:
        raise InputError(f"Unknown table of label ids {name!r}: choose from {', '.join(_TABLES)}.")
    classes, raw_ids, void_ids = _TABLES[name]
    table = np.full(2**16, UNKNOWN, dtype=np.int16)
    table[list(void_ids)] = VOID
    for class_name, raw_id in raw_ids.items():
        table[np.asarray(raw_id)] = classes.index(class_name)
    return table
