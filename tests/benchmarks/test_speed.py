"""The benchmark runs whole, on maps of a few pixels; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from snr_plugins.nn import LAYERS

ROOT = Path(__file__).parents[2]


def benchmark(*arguments):
    command = [sys.executable, "-m", "benchmarks.speed", "--rounds", "3", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_writes_every_section(tmp_path):
    sections = ["module", "layers", "statistics", "growth"]
    run = benchmark("--shrink", 32, "--only", *sections, "--out", tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    results = json.loads((tmp_path / "benchmark.json").read_text())
    assert set(results) == {"machine", "rounds", "shrink", *sections}
    # 6 stage shapes, 2 layouts, SNR and SNR in place forward, SNR forward and backward
    assert len(results["module"]) == 6 * 2 * 3
    for row in results["module"]:
        quartiles = row["textbook over"]
        assert 0 < quartiles["low"] <= quartiles["median"] <= quartiles["high"]
    assert {row["layer"] for row in results["layers"]} == set(LAYERS)
    errors = {row["form"]: row["error"] for row in results["statistics"]}
    assert errors["ours"] < 1e-3 < errors["E[F^2] - mean^2"]
    assert (tmp_path / "growth.png").stat().st_size > 1000


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_no_gpu_is_one_sentence(tmp_path):
    run = benchmark("--device", "cuda", "--out", tmp_path / "out")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("error: --device cuda: torch finds no GPU here")
    assert not (tmp_path / "out").exists()


def test_saves_measurements_of_whole_maps_only(tmp_path):
    run = benchmark("--save", "--shrink", 2, "--out", tmp_path / "out")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "error: --save keeps measurements of whole maps: leave out --shrink\n"
    assert not (tmp_path / "out").exists()
