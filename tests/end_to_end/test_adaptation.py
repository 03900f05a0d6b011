"""Two iterations of every adaptation config under Detectron2's own launchers, on tiny trees."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests.end_to_end.conftest import ROOT
from tests.end_to_end.test_detectron2 import TRAIN, launcher, metrics_of
from tests.trees import (
    HEIGHT,
    IMAGE_NAMES,
    WIDTH,
    write_cityscapes_tree,
    write_kitti_tree,
    write_sim10k_tree,
)

CONFIGS = ROOT / "configs" / "detection"
ADAPTED = sorted(
    path.stem
    for path in CONFIGS.glob("*.yaml")
    if path.stem.removesuffix("_snr").endswith(("_da", "_mean_teacher"))
)
CITY = "faster_rcnn_thin_R_50_FPN_synthetic_city_to_night"
# of each method one, with and without SNR, C4 and FPN; the others differ in their names alone
QUICK = (f"{CITY}_da", "faster_rcnn_R_50_C4_kitti_to_cityscapes_mean_teacher_snr")
TINY = (
    *("SOLVER.MAX_ITER", 2, "SOLVER.IMS_PER_BATCH", 2, "MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"),
    *("INPUT.MIN_SIZE_TRAIN", "(48,)", "INPUT.MIN_SIZE_TEST", 48, "DATALOADER.NUM_WORKERS", 0),
    *("MODEL.RESNETS.STEM_OUT_CHANNELS", 16, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
    *("MODEL.RESNETS.WIDTH_PER_GROUP", 16, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16),
    *("MODEL.MEAN_TEACHER.BURN_IN", 1),
    *("SOLVER.WARMUP_FACTOR", 0.001),  # random weights under frozen norms make large maps
)
ENV = {"DETECTRON2_ENV_MODULE": "snr_plugins.detection.env"}


def write_camvid(root):
    for split in ("day_train", "day_val", "dusk_val"):
        folder = root / "camvid" / split
        (folder / "images").mkdir(parents=True)
        names = ("car", "pedestrian", "bicyclist")
        content = {
            "images": [],
            "annotations": [],
            "categories": [{"id": i + 1, "name": name} for i, name in enumerate(names)],
        }
        for i in range(2):
            image = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90 * i, np.uint8))
            image.save(folder / "images" / f"{i}.png")
            size = {"height": HEIGHT, "width": WIDTH}
            content["images"].append({"id": i, "file_name": f"{i}.png", **size})
            box = {"bbox": [4, 5, 30, 20], "area": 600, "iscrowd": 0}
            content["annotations"].append({"id": i + 1, "image_id": i, "category_id": 1, **box})
        (folder / "boxes.json").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Every source and target of the configs, two or three frames each."""
    root = tmp_path_factory.mktemp("adaptation")
    for name in ("synthetic_city", "cityscapes"):
        for split in ("train", "val"):
            write_cityscapes_tree(root / name, split, tuple(IMAGE_NAMES))
    write_kitti_tree(root / "kitti")
    write_sim10k_tree(root / "sim10k")
    write_camvid(root)
    return root


@pytest.fixture
def start(roots):
    """Runs a launcher from the repository's root."""

    def run(script, *words, **environment):
        return subprocess.run(
            [sys.executable, str(script), *map(str, words)],
            cwd=ROOT,
            env={**os.environ, "DETECTRON2_DATASETS": str(roots), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def assert_adapted(stem, metrics):
    if "_da" in stem:
        for name in ("image", "instance", "consistency"):
            assert metrics[f"loss_domain_{name}"] > 0
        assert metrics["adaptation/accuracy_instance"] <= 1
    else:
        assert metrics["loss_cls_target"] >= 0
        assert metrics["loss_rpn_cls_target"] > 0
        assert "loss_box_reg_target" not in metrics
    assert ("loss_snr_restitution" in metrics) == stem.endswith("_snr")


@pytest.mark.parametrize(
    "stem",
    [s if s in QUICK else pytest.param(s, marks=pytest.mark.slow) for s in ADAPTED],
)
def test_stock_train_net_trains_every_pair(start, tmp_path, stem):
    done = start(
        *(launcher("train_net.py"), "--config-file", CONFIGS / f"{stem}.yaml", *TINY),
        *("DATASETS.TEST", "()", "OUTPUT_DIR", tmp_path),
        **ENV,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_adapted(stem, metrics_of(tmp_path))


@pytest.mark.slow
def test_stock_lazyconfig_train_net(start, tmp_path):
    done = start(
        launcher("lazyconfig_train_net.py"),
        *("--config-file", CONFIGS / "faster_rcnn_R_50_FPN_synthetic_city_to_night_da_snr.py"),
        *("train.max_iter=2", "train.device=cpu", "train.init_checkpoint=''"),
        *("train.eval_period=2", "train.log_period=1", f"train.output_dir={tmp_path}"),
        *(f"dataloader.evaluator.output_dir={tmp_path}", "dataloader.train.num_workers=0"),
        *("dataloader.train.total_batch_size=2", "dataloader.train.dataset.images_per_batch=2"),
        "dataloader.train.mapper.augmentations.0.short_edge_length=48",
        "dataloader.test.num_workers=0",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = metrics_of(tmp_path)
    assert metrics["loss_domain_image"] > 0 and metrics["loss_snr_restitution"] > 0
    (path,) = tmp_path.glob("*_stamp.json")
    assert json.loads(path.read_text())["adaptation"]["target_images"] == 3


def test_every_pair_of_the_papers_has_its_configs():
    assert len(ADAPTED) == 36
    for stem in ADAPTED:
        if not stem.endswith("_snr"):
            assert f"{stem}_snr" in ADAPTED
    assert set(QUICK) <= set(ADAPTED)


def test_train_tool_scores_stamps_and_resumes(start, tmp_path):
    name = "synthetic_city_night_val"
    config = CONFIGS / f"{CITY}_mean_teacher_snr.yaml"
    words = (*TINY, "DATASETS.TEST", f"('{name}',)", "OUTPUT_DIR", tmp_path)
    done = start(TRAIN, config, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = tmp_path.rglob("*_stamp.json")
    assert json.loads(path.read_text())["adaptation"] == {
        "source": "synthetic_city_clear_train",
        "target": "synthetic_city_night_train",
        "target_images": 3,
        "test_images_among_them": 0,
    }
    assert (
        "adapted from synthetic_city_clear_train to unlabelled 3 images of "
        "synthetic_city_night_train, none of the test images among them" in done.stdout
    )
    saved = torch.load(tmp_path / "model_final.pth")["model"]
    assert saved["teacher.updates"] == 1  # the first of the two steps was burn-in
    done = start(TRAIN, config, "--resume", *words, "SOLVER.MAX_ITER", 3)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Starting training from iteration 2" in done.stdout
    assert "checkpoint lacks" not in done.stdout
    assert torch.load(tmp_path / "model_final.pth")["model"]["teacher.updates"] == 2


def test_a_folder_of_pictures_is_enough(start, roots, tmp_path):
    pictures = tmp_path / "pictures"
    shutil.copytree(roots / "synthetic_city" / "leftImg8bit_rain" / "val", pictures)
    words = (
        *(TRAIN, CONFIGS / f"{CITY}_da.yaml", *TINY, "OUTPUT_DIR", tmp_path / "out"),
        *("DATASETS.TRAIN", "('synthetic_city_clear_to_folder',)"),
        *("DATASETS.TEST", "('synthetic_city_rain_val',)"),
    )
    done = start(*words, "DATASETS.TARGET_FOLDER", pictures)
    assert done.returncode == 0, done.stderr[-3000:]
    (path,) = (tmp_path / "out").rglob("*_stamp.json")
    adaptation = json.loads(path.read_text())["adaptation"]
    assert adaptation["target"] == str(pictures) and adaptation["target_images"] == 3


def test_the_documented_module_and_command_adapt(roots, tmp_path):
    """docs/adaptation.md, with the module beside a source's boxes and a folder of pictures."""
    page = (ROOT / "docs" / "adaptation.md").read_text()
    module, command = re.findall(r"```(?:python)?\n(.*?)```", page, re.DOTALL)[:2]
    shutil.copytree(roots / "camvid" / "day_train", tmp_path, dirs_exist_ok=True)
    shutil.copytree(roots / "camvid" / "dusk_val" / "images", tmp_path / "pictures")
    (tmp_path / "my_data.py").write_text(module)
    assert len(module.splitlines()) + len(command.splitlines()) <= 10
    words = [sys.executable if w == "python" else w for w in shlex.split(command)]
    done = subprocess.run(
        [*words, *map(str, TINY)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert_adapted("_mean_teacher_snr", metrics_of(tmp_path / "adapted"))


def test_what_cannot_adapt_gets_one_sentence(start, tmp_path):
    config = CONFIGS / f"{CITY}_da.yaml"
    done = start(TRAIN, config, *TINY, "SOLVER.IMS_PER_BATCH", 3, "OUTPUT_DIR", tmp_path / "out")
    assert done.returncode == 1, done.stdout[-3000:]
    assert "Traceback" not in done.stderr
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "SOLVER.IMS_PER_BATCH is 3" in error
    assert not list(tmp_path.rglob("*"))
