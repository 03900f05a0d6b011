"""docs/datasets.md's module of one's own and the commands below it, in a folder of their own."""

import json
import os
import re
import shlex
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_detectron2 import CONFIG, TRAIN, TWO_ITERATIONS, launcher, metrics_of

PAGE = (ROOT / "docs" / "datasets.md").read_text()
OWN = PAGE[PAGE.index("Data of your own") : PAGE.index("## Segmentation")]
SNIPPET, COMMANDS = re.findall(r"```(?:python)?\n(.*?)```", OWN, re.DOTALL)
CLASSES = ("MODEL.ROI_HEADS.NUM_CLASSES", 1)
DATA = ("DATASETS.TRAIN", "('my_source',)", "DATASETS.TEST", "('my_source',)", *CLASSES)


@pytest.fixture
def folder(tmp_path):
    """The user's: two images with a car each, two frames, and the module."""
    rng = np.random.default_rng(0)
    for name in ("images", "frames"):
        (tmp_path / name).mkdir()
        for i in (1, 2):
            image = rng.integers(0, 255, (48, 64, 3), np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), image)
    boxes = [{"id": i, "image_id": i, "bbox": [5, 5, 30, 30], "iscrowd": 0} for i in (1, 2)]
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "height": 48, "width": 64} for i in (1, 2)],
        "annotations": [box | {"category_id": 1, "area": 900} for box in boxes],
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    (tmp_path / "my_data.py").write_text(SNIPPET)
    return tmp_path


def run(folder, words, **environment):
    return subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "2"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def train(folder, *options, **environment):
    words = (sys.executable, TRAIN, ROOT / CONFIG, *TWO_ITERATIONS, *DATA, *options)
    return run(folder, (*words, "OUTPUT_DIR", "out"), **environment)


@pytest.mark.parametrize("line", COMMANDS.splitlines())
def test_the_documented_commands_train_on_the_documented_module(folder, line):
    stock = "TOOLS/train_net.py" in line
    places = {
        "python": sys.executable,
        "CONFIG.yaml": ROOT / CONFIG,
        "tools/train.py": TRAIN,
        "TOOLS/train_net.py": stock and launcher("train_net.py"),
    }
    words = [str(places.get(word, word)) for word in shlex.split(line)]
    done = run(folder, ("env", *words, *TWO_ITERATIONS, *DATA, "OUTPUT_DIR", "out"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert metrics_of(folder / "out")["loss_snr_restitution"] > 0


@pytest.mark.parametrize("name", ["my_data", "my_data.py"])
def test_detectron2s_own_variable_does_for_our_launcher(folder, name):
    done = train(folder, "SOLVER.MAX_ITER", 1, DETECTRON2_ENV_MODULE=name, SNR_DATASETS=name)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "out" / "inference" / "my_source" / "my_source_stamp.json").is_file()


def test_a_module_that_is_not_there_gets_one_sentence(folder):
    for detectron2s in ("", "snr_plugins.detection.env"):  # which reads ours while it is imported
        done = train(folder, DETECTRON2_ENV_MODULE=detectron2s, SNR_DATASETS="typo")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert "SNR_DATASETS: there is no module typo" in error
        assert not (folder / "out").exists()
