"""check_data's inspection on trees as converters and publishers leave them."""

from __future__ import annotations

import numpy as np
import pytest

from snr_plugins.data.checks.inspection import inspect_layout
from snr_plugins.data.checks.recognition import layouts_in
from tests.segmentation.trees import (
    write_camvid,
    write_grey,
    write_gta5,
    write_image,
    write_synthia,
)


def inspect(root, split):
    (layout,) = layouts_in(root)
    report = inspect_layout(layout, root, split, any_count=True, progress=False)
    return layout.name, report, {kind for kind, found in report.faults.items() if found}


@pytest.mark.parametrize(
    ("name", "write", "labels", "raw"),
    [("gta5", write_gta5, "labels", 26), ("synthia", write_synthia, "GT/LABELS", 8)],
)
def test_train_ids_that_converters_leave_are_no_labels(tmp_path, name, write, labels, raw):
    root = write(tmp_path, np.full((2, 4), raw, np.uint8))
    (label,) = (root / labels).glob("*.png")
    derived = write_grey(root / labels / f"{label.stem}_labelTrainIds.png", np.zeros((2, 4), "u1"))
    found, report, faults = inspect(root, "train")
    assert (found, report.images, report.labels, faults) == (name, 1, 1, set())
    assert report.pixels == {"car": 8}
    label.unlink()  # the derived one stands in for nothing
    assert inspect(root, "train")[2] == {"image without label"}
    derived.rename(label.with_name("other.png"))  # any other is reported still
    assert "label without image" in inspect(root, "train")[2]


def test_camvid_in_png_with_void_11(tmp_path):
    root = write_camvid(tmp_path, "day_train", np.array([[0, 11, 255, 3]], np.uint8))
    jpeg = root / "day_train" / "images" / "0001TP_006690.jpg"
    write_image(jpeg.with_suffix(".png"), (1, 4))
    jpeg.unlink()
    name, report, faults = inspect(root, "day_train")
    assert (name, report.images, report.labels, faults) == ("camvid", 1, 1, set())
    assert report.pixels == {"sky": 1, "void": 2, "road": 1}
