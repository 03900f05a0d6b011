"""The shrunk checkpoint loads where the whole one does, and computes nearly the same."""

import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[2]


def shrink(*args):
    command = [sys.executable, ROOT / "tools" / "shrink_checkpoint.py", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_halves_weights_and_keeps_running_variances(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    model[1].running_var.fill_(1e6)  # overflows in float16
    torch.save({"model": model.state_dict(), "optimizer": {}}, tmp_path / "whole.pth")
    done = shrink(tmp_path / "whole.pth", tmp_path / "small.pth")
    assert done.returncode == 0, done.stderr
    saved = torch.load(tmp_path / "small.pth")
    assert set(saved) == {"model"}
    assert saved["model"]["0.weight"].dtype == torch.float16
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
    other.load_state_dict(saved["model"])
    x = torch.randn(1, 3, 9, 9)
    torch.testing.assert_close(other.eval()(x), model.eval()(x), atol=1e-2, rtol=1e-2)


def test_wrong_files_get_one_sentence(tmp_path):
    done = shrink(tmp_path / "none.pth", tmp_path / "small.pth")
    assert done.returncode == 1
    assert done.stderr == f"error: checkpoint not found: {tmp_path / 'none.pth'}\n"
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    done = shrink(tmp_path / "other.pth", tmp_path / "small.pth")
    assert done.returncode == 1
    assert "has no 'model' entry" in done.stderr
    assert not (tmp_path / "small.pth").exists()
