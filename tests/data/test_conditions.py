"""The one table of conditions, against names written out by hand."""

from __future__ import annotations

from snr_plugins.city import WEATHERS
from snr_plugins.data.conditions import BETAS, CONDITIONS, FOGGY
from tests.trees import IMAGE_NAMES


def test_folders_and_endings_by_hand():
    assert {
        name: (condition.folder_of("val"), condition.suffix)
        for name, condition in CONDITIONS.items()
    } == {name: (f"{folder}/val", suffix) for name, (folder, suffix) in IMAGE_NAMES.items()}
    assert all(condition.name == name for name, condition in CONDITIONS.items())


def test_fog_is_what_has_a_beta():
    assert FOGGY == ("foggy_beta_0.005", "foggy_beta_0.01", "foggy_beta_0.02")
    assert BETAS == (0.005, 0.01, 0.02)


def test_every_condition_belongs_to_one_weather_of_the_city():
    assert [name for names in WEATHERS.values() for name in names] == list(CONDITIONS)
