"""Every pair, method and form of the adaptation configs, two iterations of the stock launcher."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mmseg
import pytest
import torch

from tests.end_to_end.conftest import ROOT
from tests.segmentation.adaptation.pairs import (
    METHODS,
    PAIRS,
    config_of,
    two_small_iterations,
    write_all_datasets,
)

STOCK = Path(mmseg.__file__).parent / ".mim" / "tools"
LOGGED = {"maxsquare": "loss_max_square", "mcd": "discrepancy", "mean_teacher": "loss_target"}
QUICK = [
    ("camvid_to_dusk", "maxsquare", "_snr"),
    ("camvid_to_dusk", "mcd", ""),
    ("gta5_to_cityscapes", "mean_teacher", "_snr"),
]
EVERY = [(pair, method, form) for pair in PAIRS for method in METHODS for form in ("", "_snr")]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working folder with ``data``, as the configs expect one."""
    folder = tmp_path_factory.mktemp("work")
    write_all_datasets(folder / "data")
    return folder


def launch(folder, script, *arguments):
    return subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def logged_by(folder):
    """All that MMEngine's visualizer wrote, later lines over earlier ones."""
    values = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            values.update(json.loads(line))
    return values


def stamp_in(folder, phase):
    return json.loads(next(folder.glob(f"*/stamp_{phase}.json")).read_text())


@pytest.mark.parametrize(
    ("pair", "method", "form"),
    [
        pytest.param(*which, marks=() if which in QUICK else pytest.mark.slow, id="-".join(which))
        for which in EVERY
    ],
)
def test_two_iterations(work, tmp_path, pair, method, form):
    config = config_of(pair, method, form)
    options = two_small_iterations(config)
    where = ("--work-dir", tmp_path, "--cfg-options", *options)
    done = launch(work, STOCK / "train.py", config, *where)
    assert done.returncode == 0, done.stderr[-3000:]
    values = logged_by(tmp_path)
    assert math.isfinite(values["loss"])
    assert LOGGED[method] in values
    assert ("loss_snr_restitution" in values) == bool(form)
    checkpoint = torch.load(tmp_path / "iter_2.pth", weights_only=False)
    assert any(key.startswith("teacher.") for key in checkpoint["state_dict"]) == (
        method == "mean_teacher"
    )
    phase = "val"
    if not list(tmp_path.glob("*/stamp_val.json")):  # no validation on a target: test the last
        if (pair, method, form) not in QUICK:
            return
        phase = "test"
        done = launch(work, STOCK / "test.py", config, tmp_path / "iter_2.pth", *where)
        assert done.returncode == 0, done.stderr[-3000:]
    adaptation = stamp_in(tmp_path, phase)["adaptation"]
    among = 4 if pair == "camvid_to_dusk" else 0
    assert adaptation["test_images_among_them"] == among
    assert adaptation["target_images"] == (4 if pair == "camvid_to_dusk" else 3)
    words = f"{among or 'none'} of the test images among them"
    assert words in done.stdout + done.stderr  # under the scores


def test_the_ten_lines_of_the_guide(work, tmp_path):
    """On CamVid's config, with the pictures of its dusk copied to a folder of their own."""
    page = (ROOT / "docs" / "adaptation_segmentation.md").read_text()
    (block,) = re.findall(r"^```python\n# adapt.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "adapt.py").write_text(block)
    source = config_of("camvid_to_dusk", "maxsquare").parents[1] / "fcn_thin_r50_camvid.py"
    (tmp_path / "source.py").write_text(f"_base_ = {str(source)!r}\n")
    shutil.copytree(work / "data" / "camvid" / "dusk_val" / "images", tmp_path / "pictures")
    (tmp_path / "data").symlink_to(work / "data")
    options = two_small_iterations(tmp_path / "adapt.py")
    where = ("--work-dir", tmp_path / "run", "--cfg-options", *options)
    done = launch(tmp_path, STOCK / "train.py", tmp_path / "adapt.py", *where)
    assert done.returncode == 0, done.stderr[-3000:]
    adaptation = stamp_in(tmp_path / "run", "val")["adaptation"]
    assert adaptation == {
        "source": "day",
        "target": "pictures",
        "target_images": 4,
        "test_images_among_them": 0,
    }


def test_no_best_checkpoint_by_the_target(work, tmp_path):
    config = config_of("camvid_to_dusk", "maxsquare")
    options = (*two_small_iterations(config), "default_hooks.checkpoint.save_best=dusk/mIoU")
    arguments = (config, "--work-dir", tmp_path, "--cfg-options", *options)
    done = launch(work, ROOT / "tools" / "train.py", *arguments)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: save_best='dusk/mIoU' is no score on the source, 'day', and")
