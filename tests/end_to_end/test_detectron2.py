"""The train tool and Detectron2's unchanged launchers, two iterations each."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch

from snr_plugins.results import read_stamps
from tests.end_to_end.conftest import ROOT

detectron2 = pytest.importorskip("detectron2")

CONFIG = "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml"
LAUNCHERS = Path(detectron2.__file__).parents[1] / "tools"  # where the default stack puts them
TRAIN = ROOT / "tools" / "train.py"
TESTS = ("synthetic_city_clear_val", "synthetic_city_foggy_beta_0.02_val")
TWO_ITERATIONS = (
    "SOLVER.MAX_ITER", 2, "MODEL.WEIGHTS", "", "SOLVER.IMS_PER_BATCH", 2,
    "INPUT.MIN_SIZE_TRAIN", "(48,)", "INPUT.MIN_SIZE_TEST", 48,
    "DATALOADER.NUM_WORKERS", 0, "DATASETS.TEST", str(TESTS),
)  # fmt: skip


def launcher(name):
    path = LAUNCHERS / name
    if not path.is_file():
        pytest.skip(f"this build of Detectron2 does not install {name}")
    return path


def metrics_of(folder):
    """All that the framework's JSON writer recorded, later lines over earlier ones."""
    metrics = {}
    for line in (folder / "metrics.json").read_text().splitlines():
        metrics.update(json.loads(line))
    return metrics


def assert_stamps_say(folder, metrics, tests):
    """What is read from the stamps is what the framework recorded; NaN without a detection."""
    metric, domains = read_stamps(folder)
    recorded = [metrics.get(f"{name}/bbox/AP50", metrics.get("bbox/AP50")) for name in tests]
    assert metric == "AP50" and list(domains) == list(tests)
    assert list(domains.values()) == pytest.approx(recorded, nan_ok=True)


def assert_calibrated(folder):
    """Gamma is a mean deviation, no longer about 1, and beta a mean of what follows a ReLU."""
    saved = torch.load(folder / "model_final.pth")["model"]
    norm = "backbone.bottom_up.res2.snr.norm."
    assert (saved[norm + "weight"] - 1).abs().mean() > 0.1
    assert saved[norm + "bias"].min() > -0.05 and saved[norm + "bias"].max() > 0.1


def stamp_of(folder):
    """The stamp, with its checkpoint's hash checked against the command line's sha256sum."""
    stamp = json.loads((folder / "synthetic_city_foggy_beta_0.02_val_stamp.json").read_text())
    file = stamp["checkpoint"]["file"]
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    assert digest.stdout.split()[0] == stamp["checkpoint"]["sha256"]
    return stamp


def test_train_tool_trains_evaluates_and_resumes(command, tmp_path):
    options = (*TWO_ITERATIONS, "OUTPUT_DIR", tmp_path)
    done = command(TRAIN, CONFIG, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = metrics_of(tmp_path)
    assert metrics["loss_snr_restitution"] > 0
    assert metrics["loss_snr_probe"] > 0
    assert "synthetic_city_foggy_beta_0.02_val/bbox/AP50" in metrics
    saved = torch.load(tmp_path / "model_final.pth")["model"]
    assert "backbone.bottom_up.res2.snr.norm.weight" in saved
    assert_stamps_say(tmp_path, metrics, TESTS)
    stamp = stamp_of(tmp_path / "inference" / "synthetic_city_foggy_beta_0.02_val")
    assert stamp["checkpoint"]["file"] == str(tmp_path / "model_final.pth")
    assert stamp["checkpoint"]["iteration"] == 2
    assert stamp["image_size"] == "48, at most 512"
    layers = [f"backbone.bottom_up.{stage}.snr" for stage in ("res2", "res3", "res4")]
    assert list(stamp["network"]) == [*layers, "snr_losses"]
    assert stamp["network"][layers[0]].startswith("SNR( channels=64, eps=1e-05 (norm): Instance")
    weights = "loss_weight=0.01, probe_weight=0.01, loss_terms=both"
    assert stamp["network"]["snr_losses"] == f"StageLosses({weights})"
    (dataset,) = stamp["datasets"]
    assert dataset["betas"] == [0.02] and dataset["box_convention"] == "detectron2"
    under_the_table = done.stdout.split("Per-category bbox AP")[-1]
    assert (
        "fog beta 0.02" in under_the_table and stamp["checkpoint"]["sha256"][:12] in under_the_table
    )

    weights = ("MODEL.WEIGHTS", tmp_path / "model_final.pth")
    done = command(TRAIN, CONFIG, "--eval-only", *options, *weights)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "AP50" in done.stdout
    stamp = stamp_of(tmp_path / "inference" / "synthetic_city_foggy_beta_0.02_val")
    assert stamp["checkpoint"]["file"] == str(tmp_path / "model_final.pth")
    assert stamp["checkpoint"]["iteration"] is None
    assert "snr_losses" in stamp["network"]

    done = command(TRAIN, CONFIG, "--resume", *options, "SOLVER.MAX_ITER", 3)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Starting training from iteration 2" in done.stdout


def test_stock_train_net(command, tmp_path):
    done = command(
        launcher("train_net.py"), "--config-file", CONFIG, *TWO_ITERATIONS, "OUTPUT_DIR", tmp_path,
        DETECTRON2_ENV_MODULE="snr_plugins.detection.env",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert metrics_of(tmp_path)["loss_snr_restitution"] > 0
    assert_calibrated(tmp_path)
    weights = ("MODEL.WEIGHTS", tmp_path / "model_final.pth")
    done = command(
        launcher("train_net.py"), "--config-file", CONFIG, *TWO_ITERATIONS, *weights,
        "OUTPUT_DIR", tmp_path / "on", DETECTRON2_ENV_MODULE="snr_plugins.detection.env",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stay as the checkpoint has them" in done.stdout


def test_stock_lazyconfig_train_net(command, tmp_path):
    done = command(
        launcher("lazyconfig_train_net.py"),
        "--config-file", "configs/detection/faster_rcnn_R_50_FPN_synthetic_city_snr.py",
        "train.max_iter=2", "train.device=cpu", "train.init_checkpoint=''", "train.eval_period=2",
        f"train.output_dir={tmp_path}", f"dataloader.evaluator.output_dir={tmp_path}",
        "dataloader.train.total_batch_size=2", "dataloader.train.num_workers=0",
        "dataloader.test.num_workers=0", "train.log_period=1",
        "dataloader.train.mapper.augmentations.0.short_edge_length=48",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert metrics_of(tmp_path)["loss_snr_restitution"] > 0
    assert_stamps_say(tmp_path, metrics_of(tmp_path), TESTS[1:])
    (path,) = tmp_path.glob("*_stamp.json")
    assert json.loads(path.read_text())["checkpoint"]["iteration"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["MODEL.SNR.STAGE", "res2"], "MODEL.SNR.STAGE .*the keys are .*MODEL.SNR.STAGES"),
        (["MODEL.SNR.STAGES", "('res9',)"], "no stage 'res9'; choose from: .*res2, res3"),
        (["MODEL.ROI_HEADS.NUM_CLASSES", 3], "MODEL.ROI_HEADS.NUM_CLASSES is 3"),
        (["DATASETS.TRAIN", "('nowhere',)"], "'nowhere'"),
        (["MODEL.WEIGHTS", "none.pth"], "MODEL.WEIGHTS: none.pth does not exist"),
        (["DATASETS.TRAIN", "()"], "DATASETS.TRAIN is empty"),
        (["MODEL.BACKBONE.NAME", "resnet"], "MODEL.BACKBONE.NAME: 'resnet'.*build_snr_resnet"),
    ],
)
def test_bad_config_gets_one_sentence(command, tmp_path, options, message):
    done = command(TRAIN, CONFIG, *TWO_ITERATIONS, *options, "OUTPUT_DIR", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert re.search(message, errors[0])
    assert not list(tmp_path.rglob("*.pth"))


def test_missing_dataset_gets_one_sentence(command, tmp_path):
    done = command(TRAIN, CONFIG, "OUTPUT_DIR", tmp_path, DETECTRON2_DATASETS=str(tmp_path / "no"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"error: .*synthetic_city.*make_synthetic_city\.py", done.stderr)


def test_missing_config_gets_one_sentence(command):
    done = command(TRAIN, "configs/detection/nothing.yaml")
    assert done.returncode == 1
    assert "error: config file not found: configs/detection/nothing.yaml" in done.stderr
