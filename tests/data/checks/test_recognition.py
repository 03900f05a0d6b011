"""Which layout a name means: the layouts' own names, and those of Detectron2's catalogue."""

from __future__ import annotations

import pytest

from snr_plugins.data.checks.recognition import layout_named
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError


def test_names_of_detectron2s_catalogue():
    assert layout_named("foggy_cityscapes_beta_0.02_val_detectron")[0].conditions[0].name == (
        "foggy_beta_0.02"
    )
    assert layout_named("synthetic_city_rain_train")[0].conditions[0].name == "rain"
    assert layout_named("kitti_car_train") == (LAYOUTS["kitti"], ("train",))
    assert layout_named("cityscapes") == (LAYOUTS["cityscapes"], ("train", "val"))
    with pytest.raises(InputError, match="'cityscape' is neither a folder nor a dataset"):
        layout_named("cityscape")


def test_every_registered_dataset_can_be_checked():
    catalogue = pytest.importorskip("detectron2.data").DatasetCatalog
    import snr_plugins.detection.datasets as datasets

    datasets.register_datasets()
    ours = [
        name
        for name in catalogue.list()
        if name.startswith(("foggy_", "synthetic_", "kitti_", "sim10k_", "camvid_"))
        or name.startswith(("cityscapes_boxes", "cityscapes_car"))
    ]
    assert len(ours) >= 40
    for name in ours:
        (split,) = layout_named(name)[1]
        assert f"_{split}" in name
