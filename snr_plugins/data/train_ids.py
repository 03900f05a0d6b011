"""Train ids in the place of a dataset's own: label images that a script has written anew.

Read by the table of the dataset's ids they would give other classes, without a word: train id 7 is
the traffic sign, id 7 of Cityscapes the road.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from snr_plugins.data.files import read_ids
from snr_plugins.data.label_ids import VOID
from snr_plugins.data.labels import CITYSCAPES_CLASSES
from snr_plugins.errors import InputError

TABLES = ("cityscapes", "gta5", "cross_city")  # whose ids are those of Cityscapes
LOOKED_AT = 8  # label images, spread over a dataset


def are_train_ids(found: Collection[int], table: str) -> bool:
    """Whether the ids of some label images are train ids, where a table's should be.

    Of the ids from 19 on every street shows some (signs, plants, sky, people, vehicles), and 255
    stands there for little, if for anything. Train ids end at 18, and 255 is all that is void.

    Args:
        found: in several images; one may show a wall.
        table: of `snr_plugins.data.label_ids`.
    """
    classes = set(found) - {VOID}
    are_low = bool(classes) and max(classes) < len(CITYSCAPES_CLASSES)
    return table in TABLES and VOID in found and are_low


def check_no_train_ids(labels: Sequence[Path], table: str) -> None:
    """Look at some label images of a dataset; those that are no files on this machine pass.

    Raises:
        InputError: they hold train ids where a table's should be; one is damaged.
    """
    if table not in TABLES:
        return
    step = -(-len(labels) // LOOKED_AT) or 1
    chosen = [path for path in labels[::step] if path.is_file()]
    found = {int(raw_id) for path in chosen for raw_id in np.unique(read_ids(path))}
    if are_train_ids(found, table):
        raise InputError(
            f"{chosen[0]} and others hold 0 to 18 and 255 alone, which are train ids, where the "
            f"ids of {table} should be: unpack the labels again, or name files that end in "
            "labelTrainIds.png by seg_map_suffix."
        )
