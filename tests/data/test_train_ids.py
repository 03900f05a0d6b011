"""Label images that a script has written anew, under the names of those that it read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snr_plugins.data.label_ids import TABLE_NAMES
from snr_plugins.data.labels import CITYSCAPES_IDS
from snr_plugins.data.train_ids import LOOKED_AT, are_train_ids, check_no_train_ids
from snr_plugins.errors import InputError
from tests.segmentation.trees import write_grey


@pytest.mark.parametrize("table", ["cityscapes", "gta5", "cross_city"])
def test_train_ids_are_told_from_the_ids_of_cityscapes(table):
    assert are_train_ids({*range(19), 255}, table)
    assert are_train_ids({0, 10, 13, 255}, table)
    assert not are_train_ids({*CITYSCAPES_IDS.values(), 0, 1, 2, 3, 4}, table)
    assert not are_train_ids({7, 26, 255}, table)  # a licence plate
    # too little to tell: a street of a wall and a road, a file without a class
    assert not are_train_ids({7, 12, 4}, table)
    assert not are_train_ids({255}, table) and not are_train_ids((), table)


@pytest.mark.parametrize(
    "table", sorted({*TABLE_NAMES, "train_ids"} - {"cityscapes", "gta5", "cross_city"})
)
def test_tables_with_other_ids_are_left_alone(table, tmp_path):
    assert not are_train_ids({*range(19), 255}, table)
    check_no_train_ids([write_grey(tmp_path / "a.png", np.uint8([[0, 255]]))], table)


def write_labels(root: Path, *ids: list[int]) -> list[Path]:
    return [
        write_grey(root / f"{number:03}.png", np.uint8([row])) for number, row in enumerate(ids)
    ]


def test_some_labels_of_a_dataset_are_looked_at(tmp_path):
    labels = write_labels(tmp_path, *([[0, 13]] * (3 * LOOKED_AT)), [5, 255])
    check_no_train_ids(labels[:-1], "cityscapes")
    write_grey(labels[0], np.uint8([[13, 255]]))
    with pytest.raises(InputError, match=r"000\.png and others hold 0 to 18 and 255 alone"):
        check_no_train_ids([*labels, tmp_path / "elsewhere.png"], "cityscapes")
    write_grey(labels[len(labels) // 2 // 4 * 4], np.uint8([[24, 0]]))  # every fourth is looked at
    check_no_train_ids(labels, "cityscapes")
    check_no_train_ids([], "cityscapes")
