"""Real pictures of tiny networks, trained for a few iterations, in both frameworks."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import CONFIGS, small_network, write_two_colour_streets

BOXES = "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city"
CLEAR, FOGGY = "synthetic_city_clear_val", "synthetic_city_foggy_beta_0.02_val"
# 68 images: more than the 64 after which distances count
ENOUGH, BATCH = 17, 4
OPTIONS = (
    "MODEL.WEIGHTS", "", "SOLVER.IMS_PER_BATCH", BATCH,
    "INPUT.MIN_SIZE_TRAIN", "(48,)", "INPUT.MIN_SIZE_TEST", 48,
    "DATALOADER.NUM_WORKERS", 0, "DATASETS.TEST", f"('{CLEAR}', '{FOGGY}')",
)  # fmt: skip
EVERY_PICTURE = ["results", "gates", "distances", "channels", "features", "residuals", "entropies"]


def run(script, *args, **environment):
    return subprocess.run(
        [sys.executable, f"tools/{script}.py", *map(str, args)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "2"} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def succeed(script, *args, **environment):
    done = run(script, *args, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def detectors(datasets, tmp_path_factory):
    """Checkpoints of a plain detector and of one with SNR."""
    folder = tmp_path_factory.mktemp("detectors")
    for name, form, steps in (("plain", "", 1), ("snr", "_snr", ENOUGH)):
        options = ("SOLVER.MAX_ITER", steps, *OPTIONS, "OUTPUT_DIR", folder / name)
        succeed("train", f"{BOXES}{form}.yaml", *options, DETECTRON2_DATASETS=str(datasets))
    return [folder / name / "model_final.pth" for name in ("plain", "snr")]


@pytest.fixture(scope="module")
def segmentor(tmp_path_factory):
    """A checkpoint of a segmentor with SNR, and the folder of its frames."""
    streets = write_two_colour_streets(tmp_path_factory.mktemp("camvid"))
    folder = tmp_path_factory.mktemp("segmentor")
    keys = ("train_cfg.max_iters", "train_cfg.val_interval", "default_hooks.checkpoint.interval")
    longer = (f"train_dataloader.batch_size={BATCH}", *(f"{key}={ENOUGH}" for key in keys))
    options = ("--work-dir", folder, "--cfg-options", *small_network(streets), *longer)
    succeed("train", CONFIGS / "fcn_thin_r50_camvid_snr.py", *options)
    return folder / f"iter_{ENOUGH}.pth", streets


def pictures_of(out):
    """Names in the page, each with a picture that shows something."""
    names = re.findall(r'src="(\w+)\.png"', (out / "index.html").read_text())
    for name in names:
        picture = np.asarray(Image.open(out / f"{name}.png").convert("RGB"))
        assert min(picture.shape[:2]) > 100 and picture.std() > 5, name
    return names


def test_a_detector_beside_a_plain_one(detectors, datasets, tmp_path):
    plain, snr = detectors
    root = {"DETECTRON2_DATASETS": str(datasets)}
    succeed("visualize", snr, "--plain", plain, "--out", tmp_path, **root)
    assert pictures_of(tmp_path) == EVERY_PICTURE
    assert list((tmp_path / "tensorboard").glob("events.*"))

    # a folder and a file have no labels
    foggy = datasets / "synthetic_city" / "leftImg8bit_foggy" / "val"
    image = next(foggy.rglob("*.png"))
    succeed("visualize", snr, f"fog={foggy}", f"one={image}", "--out", tmp_path / "own", **root)
    assert set(pictures_of(tmp_path / "own")) >= {"results", "gates", "distances", "channels"}

    succeed("visualize", plain, CLEAR, "--config", snr.with_name("config.yaml"), "--out",
            tmp_path / "untrained", **root)  # fmt: skip
    assert "distances" not in pictures_of(tmp_path / "untrained")


def test_shift_of_a_detector(detectors, datasets, tmp_path):
    plain, snr = detectors
    root = {"DETECTRON2_DATASETS": str(datasets)}
    table = succeed("shift", snr, "--plain", plain, "--out", tmp_path, "--groups", 2, **root)
    assert pictures_of(tmp_path) == ["roc", "score"]
    found = json.loads((tmp_path / "shift.json").read_text())
    stamps = [snr.parent / "inference" / n / f"{n}_stamp.json" for n in (CLEAR, FOGGY)]
    for domain, path in zip(found["domains"].values(), stamps, strict=True):
        stamp = json.loads(path.read_text())
        ((name, medians),) = stamp["style_distance"].items()
        # as the framework's own test of the same weights
        for stage in ("res2", "res3", "res4"):
            of_stamp = medians[f"bottom_up.{stage}.snr"]
            assert domain["median"][stage] == pytest.approx(of_stamp, rel=1e-3)
        ap50 = stamp["domains"][name]
        assert domain["score"]["SNR"] == pytest.approx(0 if np.isnan(ap50) else ap50, abs=0.01)
        assert sum(group["images"] for group in domain["groups"]) == domain["images"] == 3
    clear, foggy = (
        [image["res3"] for image in domain["files"].values()]
        for domain in found["domains"].values()
    )
    larger = np.mean([(f > c) + 0.5 * (f == c) for f in foggy for c in clear])
    assert found["domains"]["foggy_beta_0.02"]["auc"]["res3"] == pytest.approx(larger)
    assert table.splitlines()[2].startswith("| clear | 3 | ")


def test_a_segmentor(segmentor, tmp_path):
    checkpoint, streets = segmentor
    succeed("visualize", checkpoint, "--out", tmp_path / "own")
    assert pictures_of(tmp_path / "own") == EVERY_PICTURE
    folders = [f"light={streets / 'day_val'}", streets / "dusk_val" / "images"]
    succeed("visualize", checkpoint, *folders, "--images", 2, "--out", tmp_path / "folders")
    assert "features" in pictures_of(tmp_path / "folders")

    succeed("shift", checkpoint, "--out", tmp_path / "shift")
    found = json.loads((tmp_path / "shift" / "shift.json").read_text())
    (stamp,) = checkpoint.parent.glob("*/stamp_val.json")
    scores = json.loads(stamp.read_text())["scores"]
    for name, domain in found["domains"].items():
        assert domain["score"]["SNR"] == pytest.approx(scores[f"{name}/mIoU"], abs=0.01)
    assert found["domains"]["dusk"]["auc"]["layer1"] == 1  # a third of the light


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.pth"], "checkpoint nowhere.pth does not exist"),
        (["{snr}", "no_such_name"], "no_such_name is neither a file, a folder nor a registered"),
        (["{snr}", CLEAR, CLEAR], "two domains have one name"),
        (["{snr}", "--plain", "none.pth"], "checkpoint none.pth does not exist"),
    ],
)
def test_bad_input_gets_one_sentence(detectors, datasets, tmp_path, arguments, sentence):
    arguments = [a.format(snr=detectors[1]) for a in arguments]
    options = ("--out", tmp_path / "o")
    done = run("visualize", *arguments, *options, DETECTRON2_DATASETS=str(datasets))
    assert done.returncode == 1
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()


def test_shift_needs_distances_and_a_second_domain(detectors, datasets, tmp_path):
    plain, snr = detectors
    root = {"DETECTRON2_DATASETS": str(datasets)}
    done = run("shift", plain, "--out", tmp_path, **root)
    assert done.returncode == 1 and "knows no style distance: train an SNR" in done.stderr
    done = run("shift", snr, CLEAR, "--out", tmp_path, **root)
    assert done.returncode == 1 and "name two domains, the source first" in done.stderr
