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


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["mIoU", "mDice"])
def test_the_frameworks_own_metric(tmp_path, metric):
    streets = write_two_colour_streets(tmp_path / "camvid")
    for form in ("", "_snr"):
        base = CONFIGS / f"fcn_thin_r50_camvid{form}.py"
        (tmp_path / f"own{form}.py").write_text(
            f"_base_ = {str(base)!r}\n"
            f"test_evaluator = [dict(type='IoUMetric', iou_metrics=[{metric!r}])]\n"
            "val_evaluator = test_evaluator\n"
        )
    command = [sys.executable, "tools/compare.py", tmp_path / "own.py", "--forms", "plain"]
    command += ["--seeds", "1", "--out", tmp_path / "out", "--cfg-options", *small_network(streets)]
    done = subprocess.run(command, cwd=ROOT, **TEXT)
    if metric == "mDice":
        assert done.returncode == 1
        assert "own.py has no mIoU among its scores: add it" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / "out" / "own" / "plain_1").glob("*/vis_data/scalars.json")
    score = [json.loads(line) for line in log.read_text().splitlines()][-1]["mIoU"]
    scores = json.loads((tmp_path / "out" / "own" / "scores.json").read_text())
    assert scores["plain"]["1"] == {"day, dusk": score}
