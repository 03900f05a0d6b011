"""Every long command, killed by SIGKILL at random moments and started again."""

from __future__ import annotations

import hashlib

import pytest
import torch

from tests.domain_trees import write_domain_tree
from tests.killing import Command, kill_and_start_again
from tests.segmentation.streets import small_network, write_two_colour_streets
from tests.trees import IMAGE_NAMES, write_cityscapes_tree, write_stereo_tree

SEED = 1
TRAIN = "tools/train.py"
THIN = "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city"
ITERATIONS = 6
OF_DETECTRON2 = (
    *("--resume", "SEED", 1, "SOLVER.MAX_ITER", ITERATIONS, "SOLVER.CHECKPOINT_PERIOD", 1),
    *("SOLVER.IMS_PER_BATCH", 2, "MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"),
    *("INPUT.MIN_SIZE_TRAIN", "(40, 48)", "INPUT.MIN_SIZE_TEST", 48, "DATALOADER.NUM_WORKERS", 0),
    *("MODEL.RESNETS.STEM_OUT_CHANNELS", 16, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
    *("MODEL.RESNETS.WIDTH_PER_GROUP", 16, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16),
    *("MODEL.MEAN_TEACHER.BURN_IN", 2, "TEST.EVAL_PERIOD", 3),
)
OF_MMENGINE = (
    *(f"train_cfg.max_iters={ITERATIONS}", "train_cfg.val_interval=3"),
    *("default_hooks.checkpoint.interval=1", "randomness.seed=1"),
)


def files(folder):
    """Whatever bears its final name, by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def weights_in(name, entry):
    """Of the checkpoint that a training ends with, by name."""

    def read(folder):
        if not (folder / name).is_file():
            return {}
        try:
            tensors = torch.load(folder / name)[entry]
        except (RuntimeError, EOFError):  # killed while it was written; it was not relied on
            return {}
        return {n: t.numpy().tobytes() for n, t in tensors.items() if hasattr(t, "numpy")}

    return read


def detectron2(tmp_path, config, test, *more):
    for split in ("train", "val"):
        write_cityscapes_tree(tmp_path / "synthetic_city", split, tuple(IMAGE_NAMES))
    out = tmp_path / "out"
    words = [*OF_DETECTRON2, "OUTPUT_DIR", out, "DATASETS.TEST", f"('{test}',)", *more]
    results = weights_in("model_final.pth", "model")
    return Command([TRAIN, config, *words], out, results, {"DETECTRON2_DATASETS": str(tmp_path)})


def detectron2_alone(tmp_path):
    return detectron2(tmp_path, f"{THIN}_snr.yaml", "synthetic_city_clear_val")


def detectron2_adversarial(tmp_path):
    return detectron2(tmp_path, f"{THIN}_to_night_da_snr.yaml", "synthetic_city_night_val")


def detectron2_teacher(tmp_path):
    config = f"{THIN}_to_night_mean_teacher_snr.yaml"
    return detectron2(tmp_path, config, "synthetic_city_night_val")


def mmengine(tmp_path, config, *options):
    out = tmp_path / "out"
    words = ["--resume", "--work-dir", out, "--cfg-options", *options, *OF_MMENGINE]
    results = weights_in(f"iter_{ITERATIONS}.pth", "state_dict")
    return Command([TRAIN, config, *words], out, results)


def mmsegmentation(tmp_path):
    streets = write_two_colour_streets(tmp_path / "camvid")
    options = (*small_network(streets), "model.decode_head.dropout_ratio=0.1")
    return mmengine(tmp_path, "configs/segmentation/fcn_thin_r50_camvid_snr.py", *options)


def mmpretrain(tmp_path):
    from tests.end_to_end.test_mmpretrain import options

    tree = write_domain_tree(tmp_path / "domains")
    config = "configs/classification/resnet18_digits_snr.py"
    return mmengine(tmp_path, config, *options(tree, "dim"))


def fog(tmp_path):
    tree, out = write_stereo_tree(tmp_path / "city"), tmp_path / "out"
    return Command(["tools/make_foggy.py", tree, "--splits", "val", "--out", out], out, files)


COMMANDS = {
    command.__name__: command
    for command in (
        detectron2_alone,
        detectron2_adversarial,
        detectron2_teacher,
        mmsegmentation,
        mmpretrain,
        fog,
    )
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_twenty_moments(name, tmp_path):
    kill_and_start_again(COMMANDS[name](tmp_path), 20, SEED)
