"""Two processes against one with the doubled batch, where the methods allow it.

The images' losses are means over images and agree. RoIs, the detector's and the classifier's, are
drawn by each process for itself and averaged within it, as by Detectron2 everywhere.
"""

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from tests.detection.adaptation.models import C4, model_of, source, target

IMAGES_ALONE = (
    *("MODEL.DOMAIN_ADVERSARIAL.INSTANCE_WEIGHT", 0.0),
    *("MODEL.DOMAIN_ADVERSARIAL.CONSISTENCY_WEIGHT", 0.0),
)
TEACHER = ("MODEL.MEAN_TEACHER.BURN_IN", 0, "MODEL.MEAN_TEACHER.THRESHOLD", 0.12)


def pairs():
    """Two of each domain, all of one size, so that none is padded for another."""
    (first, _), (other, _) = source(), target()
    images = [first["image"], 255 - first["image"] / 2]
    darker = torch.nn.functional.interpolate(other["image"][None], images[0].shape[-2:])[0]
    return [
        [{**first, "image": image}, {**other, "image": dark}]
        for image, dark in zip(images, (darker, darker.flip(-1)), strict=True)
    ]


def join(rank, folder, path, *overrides):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    comm.create_local_process_group(2)
    model = model_of(path, *overrides)
    parallel = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    return model, parallel


def classifier_gradients(model):
    return {n: p.grad for n, p in model.named_parameters() if "image_classifiers" in n}


def adversarial_step(rank, folder):
    model, parallel = join(rank, folder, f"{C4}_da", *IMAGES_ALONE)
    for _ in range(2):  # the second fails if the first left a parameter without gradient
        parallel.zero_grad()
        with EventStorage():
            sum(parallel(pairs()[rank]).values()).backward()
    torch.save(classifier_gradients(model), Path(folder) / f"{rank}.pth")
    os._exit(0)  # see tests/detection/test_distributed.py


def both_classifiers(rank, folder):
    _, parallel = join(rank, folder, f"{C4}_da")
    for _ in range(2):
        with EventStorage():
            sum(parallel(pairs()[rank]).values()).backward()
    torch.save({}, Path(folder) / f"{rank}.pth")
    os._exit(0)


def teacher_steps(rank, folder):
    model, parallel = join(rank, folder, f"{C4}_mean_teacher", *TEACHER)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=1e-3)
    for iteration in range(2):
        optimizer.zero_grad()
        with EventStorage(iteration):
            sum(parallel(pairs()[rank]).values()).backward()
        optimizer.step()
    torch.save(model.teacher.state_dict(), Path(folder) / f"{rank}.pth")
    os._exit(0)


def run(step, folder):
    torch.multiprocessing.spawn(step, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pth") for rank in (0, 1)]


def test_image_classifiers_learn_as_in_one_process_with_the_doubled_batch(tmp_path):
    first, second = run(adversarial_step, tmp_path)
    model = model_of(f"{C4}_da", *IMAGES_ALONE)
    with EventStorage():
        sum(model([x for pair in pairs() for x in pair]).values()).backward()
    for name, gradient in classifier_gradients(model).items():
        scale = float(gradient.abs().max())
        assert scale > 0
        for found in (first, second):
            torch.testing.assert_close(found[name], gradient, atol=1e-3 * scale + 1e-7, rtol=1e-3)


@pytest.mark.slow
def test_all_parameters_take_part_in_every_process(tmp_path):
    run(both_classifiers, tmp_path)


@pytest.mark.fault(
    "processes",
    "Two steps of a mean teacher in two processes with different images",
    "their teachers are the same to the bit",
)
def test_the_teachers_of_all_processes_are_one(tmp_path):
    first, second = run(teacher_steps, tmp_path)
    assert first["updates"] == 2
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
