"""What a disk does to a run: one sentence, and nothing of what was there is lost."""

from __future__ import annotations

import re
import shutil
import time

import pytest
from PIL import Image

from tests.end_to_end.test_interruption import (
    convert,
    detectron2_alone,
    digits,
    files,
    mmpretrain,
    mmsegmentation,
    shrink,
)
from tests.killing import Command, kill

LONG = ("SOLVER.MAX_ITER", 1000), ("train_cfg.max_iters=1000",)
TRAININGS = {"Detectron2": detectron2_alone, "MMSegmentation": mmsegmentation}
WRITERS = {"convert": convert, "digits": digits, "shrink": shrink}


def start_long(command):
    """A training under way that would not end soon, with a checkpoint already."""
    command.words += LONG["train_cfg" in str(command.words)]
    process = command.start()
    while not (command.out / "last_checkpoint").exists():
        assert process.exitcode is None, command.log.read_text()[-3000:]
        time.sleep(0.1)
    return process


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "The disk is full when a checkpoint is written (a limit on the size of files), in Detectron2, "
    "MMSegmentation and MMPretrain",
    "one sentence names it; with room again `--resume` ends the training",
)
@pytest.mark.parametrize("training", [*TRAININGS.values(), mmpretrain])
def test_no_room_for_a_checkpoint(training, tmp_path):
    command = training(tmp_path)
    command.file_size = 200_000
    assert "cannot be written (File too large): mend the disk or folder" in command.error()
    command.file_size = None
    assert command.finish()


@pytest.mark.fault(
    "interruption",
    "The disk is full (a limit on the size of files) when `make_digits.py`, "
    "`convert_checkpoint.py` or `shrink_checkpoint.py` writes",
    "one sentence names it, nothing is left behind, and started again with room it ends",
)
@pytest.mark.parametrize("name", WRITERS)
def test_no_room_for_what_a_tool_writes(name, tmp_path):
    command = WRITERS[name](tmp_path)
    command.forked, command.file_size = False, 1000
    assert "cannot be written (File too large)" in command.error()
    assert not command.out.exists() or not any(command.out.iterdir())
    command.file_size = None
    assert command.finish()


@pytest.mark.fault(
    "interruption",
    "A folder that nobody can write to, for `make_digits.py`, `convert_checkpoint.py`, "
    "`shrink_checkpoint.py` and for the run of each framework",
    "one sentence names it",
)
@pytest.mark.parametrize(
    "make",
    [
        *WRITERS.values(),
        *(pytest.param(make, marks=pytest.mark.slow) for make in TRAININGS.values()),
    ],
)
def test_nowhere_to_write(make, tmp_path):
    command = make(tmp_path)
    command.forked = make in TRAININGS.values()
    command.words = [str(word).replace(str(command.out), "/proc/out") for word in command.words]
    error = command.error()
    assert "/proc" in error and ("cannot be written" in error or "written to" in error)


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "A second training in the folder of one that is at work, in Detectron2 and MMSegmentation",
    "one sentence refuses it, nothing in the folder changes; after SIGKILL of the first the folder "
    "is free and `--resume` goes on",
)
@pytest.mark.parametrize("framework", TRAININGS)
def test_two_runs_in_one_folder(framework, tmp_path):
    command = TRAININGS[framework](tmp_path)
    first = start_long(command)
    second = TRAININGS[framework](tmp_path / "again")
    second.words = [str(w).replace(str(second.out), str(command.out)) for w in second.words]
    kept = files(command.out).keys()
    assert f"another process is at work in {command.out}" in second.error()
    assert kept <= files(command.out).keys()
    assert len(list(command.out.glob("2*"))) <= 1  # MMEngine's log of the first
    kill(first)
    third = command.start()
    while (
        "esum" not in command.log.read_text() and "Starting training" not in command.log.read_text()
    ):
        assert third.exitcode is None, command.log.read_text()[-3000:]
        time.sleep(0.1)
    kill(third)


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "The images are deleted while a training is under way, in Detectron2 and MMSegmentation",
    "one sentence names the first that is missed; once they are back `--resume` goes on",
)
@pytest.mark.parametrize("framework", TRAININGS)
def test_a_dataset_is_deleted(framework, tmp_path):
    command = TRAININGS[framework](tmp_path)
    process = start_long(command)
    where = next(tmp_path.glob("synthetic_city/leftImg8bit/train"), None)
    where = where or tmp_path / "camvid" / "day_train" / "images"
    shutil.move(where, tmp_path / "away")
    process.join()
    *_, last = command.log.read_text().splitlines()
    assert process.exitcode == 1 and last.startswith(f"error: {where}/"), last
    assert last.endswith(" is gone: restore it and go on")
    shutil.move(tmp_path / "away", where)
    kill(start_long(command))


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "SIGKILL while Detectron2 writes `model_final.pth` after the last iteration's checkpoint",
    "`--resume` writes it again, though no iteration is left",
)
def test_the_final_checkpoint_was_cut_off(tmp_path):
    command = detectron2_alone(tmp_path)
    whole = command.finish()
    final = command.out / "model_final.pth"
    final.write_bytes(final.read_bytes()[:1000])
    (command.out / "last_checkpoint").write_text("model_0000004.pth")
    assert command.finish() == whole
    final.unlink()
    (command.out / "last_checkpoint").write_text("")  # killed while it was written
    assert command.finish() == whole


LARGE = {  # a frame to train on and one to test on, labels before images; by how much
    "Detectron2": (["gtFine/*/aachen/*_000000_*s.png", "leftImg8bit/*/aachen/*_000000_*"], 150),
    "MMSegmentation": (["day_train/*s/0.*", "dusk_val/labels/0.*", "dusk_val/*/0.jpg"], 128),
}


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "Images of 100 megapixels among the others, to train on and to test on, in Detectron2 and "
    "MMSegmentation, and for `check_data.py` and `visualize.py`",
    "they are taken as any other",
)
@pytest.mark.parametrize("framework", TRAININGS)
def test_images_of_100_megapixels(framework, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    command = TRAININGS[framework](tmp_path)
    patterns, factor = LARGE[framework]
    root = tmp_path / ("synthetic_city" if framework == "Detectron2" else "camvid")
    large = [path for pattern in patterns for path in root.glob(pattern)]
    for path in large:
        with Image.open(path) as image:
            size = image.width * factor, image.height * factor
            image.resize(size, Image.Resampling.NEAREST).save(path)
    assert command.finish()
    scores = re.findall(r"(?:aAcc|IoU[-\w]*): +([\d.]+)", command.log.read_text())
    assert all(float(score) <= 100 for score in scores)
    assert bool(scores) == (framework == "MMSegmentation")
    photo, checkpoint = large[-1], sorted(command.out.glob("*.pth"))[-1]
    for words in (
        ["tools/visualize.py", checkpoint, photo, "--out", tmp_path / "looks"],
        ["tools/check_data.py", photo.parent, "--decode", "--picture", tmp_path / "looks.jpg"],
    ):
        Command(words, tmp_path / "looks", files, command.env).finish()
    assert (tmp_path / "looks" / "results.png").exists() and (tmp_path / "looks.jpg").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short training of MMSegmentation that has ended."""
    command = mmsegmentation(tmp_path_factory.mktemp("trained"))
    command.finish()
    return command


@pytest.mark.slow
@pytest.mark.fault(
    "interruption",
    "A checkpoint that is cut short, of no bytes, absent, or of another network, to go on from or "
    "to test",
    "one sentence names it, before anything is written",
)
def test_checkpoints_of_mmengine(trained, tmp_path):
    def error(*words):
        trained.words = [*kept, *words]
        return trained.error()

    kept = list(trained.words)
    before = files(trained.out)
    del before["fcn_thin_r50_camvid_snr.py"]  # MMEngine writes the config of every start
    try:
        assert "by another model: it has, and this model lacks, " in error(
            "model.backbone.type=ResNet", "model.type=EncoderDecoder", "custom_hooks=[]"
        )
        assert "has another shape of decode_head" in error("model.decode_head.channels=32")
        path = trained.out / "iter_5.pth"
        whole = path.read_bytes()
        for content in (whole[:-100], whole[:1000], b""):
            path.write_bytes(content)
            sentence = f"checkpoint {path} is cut short"
            assert f"{sentence}; put the name of an earlier one into" in error()
            assert f"{sentence}; copy it again" in error(f"load_from={path}")
        path.unlink()
        assert f"checkpoint {path} does not exist; put the name" in error()
        path.write_bytes(whole)
    finally:
        trained.words = kept
    assert before.items() <= files(trained.out).items()
    weights = trained.results(trained.out)
    path.unlink()
    (trained.out / "last_checkpoint").write_text("")  # killed while it was written
    assert trained.finish() == weights
