"""The table of tools/compare.py, by hand, and one real comparison of two iterations."""

import json
import runpy
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import CONFIGS, small_network, write_two_colour_streets

# by path: Detectron2's wheel has a top-level `tools` too
COMPARE = runpy.run_path(str(ROOT / "tools" / "compare.py"))
TEXT = {"capture_output": True, "text": True}
interval, table = COMPARE["interval"], COMPARE["table"]


def test_interval_is_students():
    # mean 2, standard deviation 1: 4.303 / sqrt(3) = 2.48
    assert interval([1.0, 2.0, 3.0]) == "+2.0 ± 2.5"
    assert interval([-1.0]) == "-1.0"


def test_gains_are_paired_by_seed():
    scores = {
        "plain": {1: {"day": 40.0, "dusk": 10.0}, 2: {"day": 42.0, "dusk": 20.0}},
        "loss": {1: {"day": 41.0, "dusk": 13.0}, 2: {"day": 43.0, "dusk": 23.0}},
    }
    lines = table(scores).splitlines()
    assert lines[0] == "| mIoU | day | dusk |"
    assert lines[2] == "| plain | 41.0 (40.0, 42.0) | 15.0 (10.0, 20.0) |"
    assert lines[3] == "| loss | 42.0 (41.0, 43.0) +1.0 ± 0.0 | 18.0 (13.0, 23.0) +3.0 ± 0.0 |"


@pytest.mark.slow
def test_real_comparison_resumes(tmp_path):
    streets = write_two_colour_streets(tmp_path / "camvid")
    command = [sys.executable, "tools/compare.py", CONFIGS / "fcn_thin_r50_camvid.py"]
    command += ["--forms", "plain", "norm", "--seeds", "1", "--out", tmp_path / "out"]
    # as the configs of GTA5 and SYNTHIA: tested after training
    without = ["val_dataloader=None", "val_evaluator=None", "val_cfg=None"]
    command += ["--cfg-options", *small_network(streets), *without]
    first = subprocess.run(command, cwd=ROOT, **TEXT, check=True)
    assert "| norm |" in first.stdout
    scores = json.loads((tmp_path / "out" / "fcn_thin_r50_camvid" / "scores.json").read_text())
    assert scores["norm"]["1"]["dusk"] > 0
    second = subprocess.run(command, cwd=ROOT, **TEXT, check=True)
    assert "seed 1 ..." not in second.stdout
    assert second.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
    other = subprocess.run([*command, "train_cfg.max_iters=3"], cwd=ROOT, **TEXT)
    assert other.returncode == 1
    assert "was run with other options; give another --out" in other.stderr
