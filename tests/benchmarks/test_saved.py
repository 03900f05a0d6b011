"""Kept measurements: a file for each version and machine that says nothing of whose it is."""

import json
import re

import pytest

import snr_plugins
from benchmarks.saved import RESULTS, kept, machine_name, save

KEPT = sorted(RESULTS.glob("[0-9]*/*.json"))  # of versions; comparisons name no machine


@pytest.mark.parametrize(
    ("cpu", "gpu", "name"),
    [
        ("AMD EPYC 7B13", None, "amd-epyc-7b13-2-threads"),
        ("Intel(R) Core(TM) i7-9700K @ 3.60GHz", None, "intel-core-i7-9700k-3.60ghz-2-threads"),
        ("AMD EPYC 7B13", "NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("../../x\n", None, "x-2-threads"),
    ],
)
def test_a_machine_is_named_by_its_processor(cpu, gpu, name):
    assert machine_name({"cpu": cpu, "threads": 2, "gpu": gpu, "torch": "2.3.1"}) == name


def test_saves_under_the_version(tmp_path):
    path = save({"rounds": 3}, "fog", tmp_path)
    assert path == tmp_path / snr_plugins.__version__ / "fog.json"
    assert json.loads(path.read_text()) == {"rounds": 3}


def test_what_is_kept_is_of_the_same_machine_and_torch(tmp_path):
    machine = {"cpu": "AMD EPYC 7B13", "threads": 2, "gpu": None, "torch": "2.3.1"}
    assert kept("amd", machine, tmp_path) == {}
    record = {"machine": machine, "module": [1]}
    save(record, "amd", tmp_path)
    assert kept("amd", machine, tmp_path) == record
    assert kept("amd", {**machine, "torch": "2.4.0"}, tmp_path) == {}


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_is_kept_names_its_machine_and_no_folder(path):
    record = json.loads(path.read_text())
    if "machine" in record:
        assert set(record["machine"]) == {"cpu", "threads", "gpu", "torch"}
        assert path.stem == machine_name(record["machine"])
    else:
        assert path.stem == "fog"
    strings = re.findall(r'"([^"]*)"', path.read_text())
    assert not [text for text in strings if re.match(r"[/~\\]|\w:\\|\w+://", text)]


def test_something_is_kept():
    assert {path.parent.name for path in KEPT} >= {"0.1.0"}
