"""Weights that a config names are found from any working folder."""

from pathlib import Path

import pytest

pytest.importorskip("detectron2")

import snr_plugins.detection  # noqa: F401  registers
from snr_plugins.configs import config_path
from snr_plugins.detection.config import load_config
from snr_plugins.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml"
WEIGHTS = "configs/detection/weights/faster_rcnn_thin_R_50_FPN_synthetic_city.pth"


def test_text_stays_where_it_holds(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert load_config(config_path(CONFIG), []).MODEL.WEIGHTS == WEIGHTS


def test_found_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Path(load_config(config_path(CONFIG), []).MODEL.WEIGHTS)
    assert found.is_absolute() and found.samefile(ROOT / WEIGHTS)


def test_a_config_elsewhere_has_its_own_beside_it_and_ours(tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.pth").write_bytes(b"weights")
    (own / "a.yaml").write_text(
        f"_BASE_: {config_path(CONFIG)}\nMODEL: {{WEIGHTS: 'mine.pth?matching_heuristics=True'}}\n"
    )
    (own / "b.yaml").write_text(f"_BASE_: {config_path(CONFIG)}\n")
    monkeypatch.chdir(tmp_path)
    found = load_config("own/a.yaml", []).MODEL.WEIGHTS
    assert found == f"{own / 'mine.pth'}?matching_heuristics=True"
    assert Path(load_config("own/b.yaml", []).MODEL.WEIGHTS).samefile(ROOT / WEIGHTS)


def test_what_the_command_line_names_is_meant_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="MODEL.WEIGHTS: configs/detection/.* does not exist"):
        load_config(config_path(CONFIG), ["MODEL.WEIGHTS", WEIGHTS])
    assert load_config(config_path(CONFIG), ["MODEL.WEIGHTS", ""]).MODEL.WEIGHTS == ""
