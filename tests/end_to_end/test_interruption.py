"""Every long command, killed by SIGKILL at random moments and started again."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest
import torch
import torchvision

from snr_plugins.data.files import is_cut_archive
from tests.domain_trees import write_domain_tree
from tests.killing import Command, kill_and_start_again
from tests.segmentation.streets import small_network, write_two_colour_streets
from tests.trees import IMAGE_NAMES, write_cityscapes_tree, write_stereo_tree

SEED = 1
TRAIN = "tools/train.py"
THIN = "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city"
ITERATIONS = 5
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
    *("default_hooks.checkpoint.interval=2", "randomness.seed=1"),
)


def files(folder):
    """Whatever bears its final name, by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def weights_in(name, entry):
    """Of the checkpoint that a training ends with, by name; none where it is not whole."""

    def read(folder):
        if not (folder / name).is_file() or is_cut_archive(folder / name):
            return {}
        tensors = torch.load(folder / name)[entry]
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


def mmsegmentation_adapting(tmp_path, method):
    from tests.segmentation.adaptation.pairs import config_of, two_small_iterations

    write_two_colour_streets(tmp_path / "data" / "camvid")
    config = config_of("camvid_to_dusk", method, "_snr")
    command = mmengine(tmp_path, config, *two_small_iterations(config))
    command.cwd = tmp_path
    return command


def city(tmp_path):
    words = ["tools/make_synthetic_city.py", "--out", tmp_path / "out", "--train", 6, "--val", 2]
    size = ["--seed", 1, "--width", 96, "--height", 48]
    return Command([*words, *size], tmp_path / "out", files)


def fog(tmp_path):
    tree, out = write_stereo_tree(tmp_path / "city"), tmp_path / "out"
    return Command(["tools/make_foggy.py", tree, "--splits", "val", "--out", out], out, files)


def digits(tmp_path):
    return Command(["tools/make_digits.py", "--out", tmp_path / "out"], tmp_path / "out", files)


def convert(tmp_path):
    weights = torchvision.models.resnet18().state_dict()
    torch.save(weights, tmp_path / "resnet.pth")
    words = ["tools/convert_checkpoint.py", tmp_path / "resnet.pth", "--from", "torchvision"]
    words += ["--to", "detectron2", "--leave-out", "^fc", "--out", tmp_path / "out" / "net.pth"]
    return Command(words, tmp_path / "out", files)


def shrink(tmp_path):
    weights = torchvision.models.resnet18().state_dict()
    torch.save({"model": weights}, tmp_path / "whole.pth")
    small = tmp_path / "out" / "small.pth"
    return Command(
        ["tools/shrink_checkpoint.py", tmp_path / "whole.pth", small], small.parent, files
    )


def compare(tmp_path):
    training = detectron2_alone(tmp_path)
    _, _, _, *options = map(str, training.words)  # the script, the config and --resume
    options = dict(zip(options[::2], options[1::2], strict=True))
    del options["OUTPUT_DIR"], options["SEED"]
    words = ["tools/compare.py", f"{THIN}.yaml", "--arms", "plain", "--seeds", 1, "--out"]
    words += [training.out, "--options", *(f"{key}={value}" for key, value in options.items())]
    run = Path(THIN).name + "/plain_1"
    results = weights_in(f"{run}/model_final.pth", "model")
    return Command(words, training.out, results, training.env)


TRAININGS = {
    "Detectron2": detectron2_alone,
    "Detectron2, adversarial": detectron2_adversarial,
    "Detectron2, mean teacher": detectron2_teacher,
    "MMSegmentation": mmsegmentation,
    "MMSegmentation, MaxSquare": partial(mmsegmentation_adapting, method="maxsquare"),
    "MMSegmentation, MCD": partial(mmsegmentation_adapting, method="mcd"),
    "MMSegmentation, mean teacher": partial(mmsegmentation_adapting, method="mean_teacher"),
    "MMPretrain": mmpretrain,
}
WRITERS = {"city": city, "digits": digits, "shrink": shrink}
QUICK = {"fog": fog, "convert": convert}


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "SIGKILL at random moments of a training, which is then gone on with by `--resume`: Detectron2 "
    "and its two adaptations, MMSegmentation and its three, MMPretrain",
    "it ends with the weights of a training that nothing interrupted, to the bit",
    tries=20,
)
@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_is_killed(name, tmp_path):
    kill_and_start_again(TRAININGS[name](tmp_path), 20, SEED)


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "SIGKILL at random moments of what writes data or weights, which is then started again: "
    "`make_synthetic_city.py`, `make_foggy.py`, `make_digits.py`, `convert_checkpoint.py`, "
    "`shrink_checkpoint.py`",
    "each file is there whole or not at all, and in the end all are, to the byte",
    tries=20,
)
@pytest.mark.parametrize("name", [*WRITERS, *QUICK])
def test_what_writes_data_or_weights_is_killed(name, tmp_path):
    kill_and_start_again({**WRITERS, **QUICK}[name](tmp_path), 20, SEED)


@pytest.mark.parametrize("name", QUICK)
def test_what_writes_data_or_weights_is_killed_twice(name, tmp_path):
    command = QUICK[name](tmp_path)
    command.forked = False
    kill_and_start_again(command, 2, SEED)


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "SIGKILL at random moments of `compare.py` and its run, started again with the same words",
    "what was cut off is run anew, and ends with the weights of a run that nothing interrupted",
    tries=5,
)
def test_a_comparison_is_killed(tmp_path):
    kill_and_start_again(compare(tmp_path), 5, SEED)
