"""The train tool and MMSegmentation's unchanged launchers, two iterations each on a tiny CamVid."""

import hashlib
import json
import re
from pathlib import Path

import mmseg
import pytest
import torch

from snr_plugins.results import read_stamps
from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import camvid_config, small_network, write_two_colour_streets

STOCK = Path(mmseg.__file__).parent / ".mim" / "tools"
TRAIN = ROOT / "tools" / "train.py"


def scalars(folder):
    """All that MMEngine's visualizer wrote, later lines over earlier ones."""
    values = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            values.update(json.loads(line))
    return values


@pytest.fixture(scope="session")
def streets(tmp_path_factory):
    return write_two_colour_streets(tmp_path_factory.mktemp("camvid"))


def test_train_tool_trains_evaluates_and_resumes(command, streets, tmp_path):
    config, options = camvid_config("fcn"), small_network(streets)
    arguments = ("--work-dir", tmp_path, "--cfg-options", *options)
    done = command(TRAIN, config, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    values = scalars(tmp_path)
    assert values["loss_snr_restitution"] > 0
    assert values["loss_snr_probe"] > 0
    assert {"day/mIoU", "dusk/mIoU"} <= values.keys()
    assert "snr/backbone_layer1/entropy_enhanced" in values
    saved = torch.load(tmp_path / "iter_2.pth", weights_only=False)["state_dict"]
    weight = saved["backbone.layer1.snr.norm.weight"]
    assert (weight - 1).abs().mean() > 0.1  # calibrated: a mean deviation, no longer 1

    scores = {name: values[f"{name}/mIoU"] for name in ("day", "dusk")}
    assert read_stamps(tmp_path) == ("mIoU", scores)
    stamp = json.loads(next(tmp_path.glob("*/stamp_val.json")).read_text())
    assert stamp["checkpoint"]["file"] == str(tmp_path / "iter_2.pth")
    assert stamp["seed"] == 1
    layers = [f"backbone.layer{number}.snr" for number in (1, 2, 3)]
    assert list(stamp["network"]) == [*layers, "snr_losses"]
    assert "rehearse=False" in stamp["network"][layers[0]]
    assert "loss_weight=0.01" in stamp["network"]["snr_losses"]
    assert [(d["name"], d["images"]) for d in stamp["datasets"]] == [("day", 4), ("dusk", 4)]
    digest = hashlib.sha256((tmp_path / "iter_2.pth").read_bytes()).hexdigest()
    assert stamp["checkpoint"]["sha256"] == digest

    done = command(TRAIN, config, "--eval-only", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    stamp = json.loads(next(tmp_path.glob("*/stamp_test.json")).read_text())
    assert stamp["checkpoint"]["sha256"] == digest
    assert stamp["scores"]["dusk/mIoU"] == pytest.approx(values["dusk/mIoU"], abs=0.01)
    assert stamp["test_time_augmentation"] == "none"
    assert digest[:12] in (done.stdout + done.stderr).split("dusk/mIoU")[-1]  # under the scores
    score = re.findall(r"dusk/mIoU: ([\d.]+)", done.stdout + done.stderr)
    assert float(score[-1]) == pytest.approx(values["dusk/mIoU"], abs=0.01)

    # the weights that the config starts from need not be there any more
    options = [option for option in options if "init_cfg" not in option]
    resumed = ("--resume", "--work-dir", tmp_path, "--cfg-options", *options)
    done = command(TRAIN, config, *resumed, "train_cfg.max_iters=3")
    assert done.returncode == 0, done.stderr[-3000:]
    log = done.stdout + done.stderr
    assert "resumed epoch: 0, iter: 2" in log
    warnings = [line for line in log.splitlines() if "WARNING" in line or "!!!" in line]
    # of MMEngine's own, on what it calls itself and on the frames that it passes over
    theirs = ("FileClient", "HardDiskBackend", "Advance dataloader")
    assert [line for line in warnings if not any(word in line for word in theirs)] == []
    assert "start at the average style" not in log


def test_stock_launchers(command, streets, tmp_path):
    config = camvid_config("deeplabv3plus")
    options = (*small_network(streets), "model.decode_head.c1_in_channels=16")
    arguments = ("--work-dir", tmp_path, "--cfg-options", *options)
    done = command(STOCK / "train.py", config, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert scalars(tmp_path)["loss_snr_restitution"] > 0
    assert drawn_by(command, config, tmp_path, options) == {f"test_{i}.jpg_0.png" for i in range(4)}

    augmented = ("--tta", "--work-dir", tmp_path / "tta", *arguments[2:])
    done = command(STOCK / "test.py", config, tmp_path / "iter_2.pth", *augmented)
    assert done.returncode == 0, done.stderr[-3000:]
    stamp = json.loads(next((tmp_path / "tta").glob("*/stamp_test.json")).read_text())
    assert stamp["domains"].keys() == {"day", "dusk"}
    assert stamp["test_time_augmentation"] == "SegTTAModel"
    assert stamp["image_size"].startswith("within 160x120, within 240x180, within 320x240")


def drawn_by(command, config, folder, options):
    """Names of what test.py --show-dir draws of every frame."""
    shown = ("--show-dir", folder / "drawn", "--work-dir", folder / "test")
    checkpoint = folder / "iter_2.pth"
    done = command(STOCK / "test.py", config, checkpoint, *shown, "--cfg-options", *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "dusk/mIoU" in done.stdout + done.stderr
    return {path.name for path in (folder / "drawn").rglob("*.png")}
