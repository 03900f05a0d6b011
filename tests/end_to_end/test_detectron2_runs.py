"""What a run of the train tool leaves behind, and runs that are not the usual Faster R-CNN."""

import hashlib
import inspect
import json
import re
import sys
import textwrap

import cv2
import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("detectron2")

from detectron2.data import transforms as T

from snr_plugins.detection.config import load_config
from snr_plugins.detection.trainer import Trainer
from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_detectron2 import CONFIG, TRAIN, TWO_ITERATIONS, launcher, metrics_of
from tests.end_to_end.test_own_data import run

PLAIN = CONFIG.replace("_snr", "")
NAME = "synthetic_city_clear_val"
OPTIONS = (*TWO_ITERATIONS, "DATASETS.TEST", f"('{NAME}',)", "OUTPUT_DIR", "output")
AUGMENTED = (
    *("TEST.AUG.ENABLED", True, "TEST.AUG.MIN_SIZES", "(40, 64)", "TEST.AUG.MAX_SIZE", 128),
)
ENV = "snr_plugins.detection.env"


@pytest.fixture(scope="module")
def train(tmp_path_factory, datasets):
    """Runs a launcher in a folder of its own, where start weights lie in ``mine.pth``."""
    folder = tmp_path_factory.mktemp("runs")
    torch.save({"model": {"stem.conv1.weight": torch.randn(16, 3, 7, 7)}}, folder / "mine.pth")

    def start(*options, config=CONFIG, script=TRAIN, **environment):
        words = (sys.executable, script, "--config-file", ROOT / config, *options)
        return run(folder, words, DETECTRON2_DATASETS=str(datasets), **environment)

    start.folder = folder
    return start


@pytest.fixture(scope="module")
def finished(train):
    """The output folder of two iterations, tested with and without augmentation."""
    done = train(*OPTIONS, *AUGMENTED, "MODEL.WEIGHTS", "mine.pth?matching_heuristics=True")
    assert done.returncode == 0, done.stderr[-3000:]
    return train.folder / "output"


def stamp_in(folder):
    return json.loads((folder / NAME / f"{NAME}_stamp.json").read_text())


def error_of(done):
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return error


def test_the_saved_config_names_its_weights_from_anywhere(train, finished):
    saved = yaml.safe_load((finished / "config.yaml").read_text())["MODEL"]["WEIGHTS"]
    assert saved == f"{train.folder / 'mine.pth'}?matching_heuristics=True"
    assert saved == load_config(str(finished / "config.yaml")).MODEL.WEIGHTS


def test_the_saved_config_predicts_in_the_three_documented_lines(train, finished, tmp_path):
    lines = inspect.getdoc(load_config).split("::\n")[1].split("Args:")[0]
    assert len(lines.strip().splitlines()) == 3
    rng = np.random.default_rng(0)
    cv2.imwrite(str(train.folder / "photo.jpg"), rng.integers(0, 255, (60, 100, 3), np.uint8))
    script = train.folder / "predict.py"
    script.write_text(
        "import sys, cv2, torch\n"
        "from detectron2.engine import DefaultPredictor\n"
        "from snr_plugins.detection.config import load_config\n"
        f"{textwrap.dedent(lines)}\n"
        "torch.save((instances.pred_boxes.tensor, instances.scores), sys.argv[1])\n"
    )
    # no DETECTRON2_DATASETS: predicting needs no dataset
    done = run(train.folder, (sys.executable, script, tmp_path / "predicted.pth"))
    assert done.returncode == 0, done.stderr[-3000:]
    boxes, scores = torch.load(tmp_path / "predicted.pth")

    model = Trainer.build_model(load_config(str(ROOT / CONFIG), ["MODEL.WEIGHTS", ""])).eval()
    model.load_state_dict(torch.load(finished / "model_final.pth")["model"])
    photo = cv2.imread(str(train.folder / "photo.jpg"))
    image = T.ResizeShortestEdge(48, 512).get_transform(photo).apply_image(photo)
    image = torch.as_tensor(image.astype("float32").transpose(2, 0, 1))
    with torch.no_grad():
        expected = model([{"image": image, "height": 60, "width": 100}])[0]["instances"]
    assert len(boxes) > 0
    torch.testing.assert_close(boxes, expected.pred_boxes.tensor)
    torch.testing.assert_close(scores, expected.scores)


def test_the_stamps_of_a_training_say_which_test_was_augmented(finished):
    assert stamp_in(finished / "inference")["test_time_augmentation"] == "none"
    stamp = stamp_in(finished / "inference_TTA")
    assert stamp["test_time_augmentation"] == "40, 64, at most 128, and each flipped"
    assert stamp["checkpoint"]["file"].endswith("output/model_final.pth")
    recorded = metrics_of(finished)["bbox_TTA/AP50"]
    assert stamp["scores"]["bbox"]["AP50"] == pytest.approx(recorded, nan_ok=True)


def test_augmented_evaluation_is_the_stock_launchers(train, finished):
    """The stamp hashes weights that are named with a query; TRAIN is not needed."""
    weights = finished / "model_final.pth"
    options = (*OPTIONS, *AUGMENTED, "MODEL.WEIGHTS", f"{weights}?matching_heuristics=True")
    done = train("--eval-only", *options, "OUTPUT_DIR", "ours", "DATASETS.TRAIN", "()")
    assert done.returncode == 0, done.stderr[-3000:]
    stock = ("--eval-only", *options, "OUTPUT_DIR", "stock")
    done = train(*stock, script=launcher("train_net.py"), DETECTRON2_ENV_MODULE=ENV)
    assert done.returncode == 0, done.stderr[-3000:]
    for folder in ("inference", "inference_TTA"):
        ours = train.folder / "ours" / folder
        results = json.loads((ours / NAME / "coco_instances_results.json").read_text())
        file = train.folder / "stock" / folder / "coco_instances_results.json"
        assert len(results) > 0 and results == json.loads(file.read_text())
        checkpoint = stamp_in(ours)["checkpoint"]
        assert checkpoint["file"] == str(weights)
        assert checkpoint["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_resuming_needs_no_start_weights(train, finished):
    gone = (*OPTIONS, "MODEL.WEIGHTS", "gone.pth")
    done = train("--resume", *gone, "SOLVER.MAX_ITER", 3, "DATASETS.TEST", "()")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Starting training from iteration 2" in done.stdout
    done = train("--resume", "--eval-only", *gone)
    assert done.returncode == 0, done.stderr[-3000:]
    assert stamp_in(finished / "inference")["checkpoint"]["file"].endswith("model_final.pth")


def test_a_run_of_another_model_is_not_resumed_and_stays_whole(train, finished):
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    error = error_of(train("--resume", *OPTIONS, config=PLAIN))
    assert re.search("written by another model: .*this model lacks, backbone.*snr", error)
    assert before == {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}


def test_training_without_a_test_dataset_is_not_evaluated(train):
    output = ("OUTPUT_DIR", "untested")
    done = train(*OPTIONS, *output, "DATASETS.TEST", "()", "SOLVER.MAX_ITER", 1)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (train.folder / "untested" / "model_final.pth").is_file()
    assert not list((train.folder / "untested").rglob("*_stamp.json"))


def test_retinanet_trains(train):
    output = train.folder / "retinanet"
    done = train(
        *OPTIONS, "MODEL.META_ARCHITECTURE", "SNRRetinaNet",
        "MODEL.BACKBONE.NAME", "build_snr_backbone",
        "MODEL.SNR.BACKBONE", "build_retinanet_resnet_fpn_backbone",
        "MODEL.RETINANET.NUM_CLASSES", 8, "MODEL.RETINANET.NUM_CONVS", 1,
        "MODEL.ANCHOR_GENERATOR.SIZES", "[[8], [16], [32], [64], [128]]", "OUTPUT_DIR", output,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = metrics_of(output)
    assert metrics["loss_snr_restitution"] > 0 and metrics["loss_cls"] > 0
    assert stamp_in(output / "inference")["checkpoint"]["iteration"] == 2
