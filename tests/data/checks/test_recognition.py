"""Which layout a name means: the layouts' own names, and those of Detectron2's catalogue."""

from __future__ import annotations

from itertools import product

import pytest

from snr_plugins.data.checks.recognition import layout_named
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError

# What a name may be made of, registered or not.
STEMS = (
    *LAYOUTS,
    *(f"synthetic_city_{name}" for name in ("clear", "foggy_beta_0.01", "night", "rain", "snow")),
)
KINDS = ("", "_boxes", "_car")
SPLITS = ("train", "val", "day_train", "day_val", "dusk_val", "test")
ENDINGS = ("", "_detectron")


def accepted(name: str) -> bool:
    try:
        layout_named(name)
    except InputError:
        return False
    return True


def test_names_of_detectron2s_catalogue():
    layout, splits = layout_named("foggy_cityscapes_beta_0.02_val_detectron")
    assert (layout, splits) == (LAYOUTS["foggy_cityscapes_beta_0.02"], ("val",))
    assert layout_named("cityscapes_boxes_val") == (LAYOUTS["cityscapes"], ("val",))
    layout, splits = layout_named("synthetic_city_rain_train")
    assert ([condition.name for condition in layout.conditions], splits) == (["rain"], ("train",))
    assert layout_named("kitti_car_train") == (LAYOUTS["kitti"], ("train",))


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_has_all_its_splits(name):
    assert layout_named(name) == (LAYOUTS[name], tuple(LAYOUTS[name].splits))


@pytest.mark.parametrize("name", ["cityscape", "foggy_cityscapes_all_car_val"])
def test_a_name_that_nobody_registers_is_refused(name):
    with pytest.raises(InputError, match=f"'{name}' is neither a folder nor a dataset: choose"):
        layout_named(name)


def test_the_checker_knows_the_names_that_are_registered_and_no_others(monkeypatch):
    catalog = pytest.importorskip("detectron2.data").DatasetCatalog
    from snr_plugins.detection.datasets import register_datasets

    monkeypatch.setattr(catalog, "data", {})
    register_datasets()
    registered = set(catalog.list())
    assert len(registered) == 41 + 8 + 6 + 12 + 1  # with the sets that came later
    for name in registered:
        layout, (split,) = layout_named(name)
        assert f"_{split.replace('/', '_')}" in name and layout.folder
    made = {
        f"{stem}{kind}_{split}{ending}"
        for stem, kind, split, ending in product(STEMS, KINDS, SPLITS, ENDINGS)
    }
    assert {name for name in made if accepted(name)} == made & registered
    # all but the city's other two fogs; BDD100K's two splits and RTTS
    assert len(made & registered) == 37 + 3
