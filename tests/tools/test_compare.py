"""One real comparison of two iterations."""

import json
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import CONFIGS, small_network, write_two_colour_streets

TEXT = {"capture_output": True, "text": True}


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
    # from MMEngine's own record of its test
    (log,) = (tmp_path / "out" / "fcn_thin_r50_camvid" / "norm_1").glob("*/[0-9]*.json")
    logged = json.loads(log.read_text())
    assert scores["norm"]["1"] == {"day": logged["day/mIoU"], "dusk": logged["dusk/mIoU"]}
    assert scores["norm"]["1"]["dusk"] > 0
    second = subprocess.run(command, cwd=ROOT, **TEXT, check=True)
    assert "seed 1 ..." not in second.stdout
    assert second.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
    other = subprocess.run([*command, "train_cfg.max_iters=3"], cwd=ROOT, **TEXT)
    assert other.returncode == 1
    assert "was run with other options; give another --out" in other.stderr
