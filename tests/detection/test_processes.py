"""Several processes of Detectron2's `launch` log the losses of one that has the whole batch.

Where Detectron2 allows it: each process draws anchors and RoIs for itself and averages over RoIs.
So here every anchor counts, and every image has the same number of RoIs, all of which count.
"""

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.engine import SimpleTrainer, launch
from detectron2.engine.defaults import create_ddp_model
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    apply_activation_checkpointing,
)

from tests.detection.adaptation.models import FPN, model_of
from tests.processes import free_port

STEPS = 3
IMAGES = 6
SIZE = (64, 64)
SMALL = ("MODEL.RESNETS.DEPTH", 18)
ALL_COUNT = (
    *("MODEL.RPN.BATCH_SIZE_PER_IMAGE", 4096, "MODEL.RPN.NMS_THRESH", 1.0),
    *("MODEL.RPN.PRE_NMS_TOPK_TRAIN", 64, "MODEL.RPN.POST_NMS_TOPK_TRAIN", 32),
    *("MODEL.RPN.PRE_NMS_TOPK_TEST", 64, "MODEL.RPN.POST_NMS_TOPK_TEST", 32),
    *("MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 32, "MODEL.ROI_HEADS.POSITIVE_FRACTION", 1.0),
    *("MODEL.ROI_HEADS.PROPOSAL_APPEND_GT", False, "MODEL.ROI_HEADS.IOU_THRESHOLDS", [0.3]),
)
NO_LOSS = ("MODEL.SNR.LOSS_WEIGHT", 0.0, "MODEL.SNR.PROBE_WEIGHT", 0.0)
TEACHER = (*("MODEL.MEAN_TEACHER.BURN_IN", 1, "MODEL.MEAN_TEACHER.THRESHOLD", 0.12),)
CASES = {
    "plain": (f"{FPN}_snr", NO_LOSS),
    "restitution": (f"{FPN}_snr", ()),
    "checkpointed": (f"{FPN}_snr", ()),
    "no boxes": (f"{FPN}_snr", NO_LOSS),
    "restitution, no boxes": (f"{FPN}_snr", ("MODEL.SNR.CALIBRATE", False)),
    "adversarial": (f"{FPN}_da_snr", ()),
    "mean teacher": (f"{FPN}_mean_teacher_snr", TEACHER),
}


class InTurn(nn.Module):
    """One process that goes through the processes' shares and averages, as they do."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, shares):
        losses = [self.model(share) for share in shares]
        return {name: sum(each[name] for each in losses) / len(losses) for name in losses[0]}


def image_of(index, case):
    generator = torch.Generator().manual_seed(index)
    truth = Instances(SIZE)
    corner = 20 * torch.rand(2, 2, generator=generator)
    extent = 24 + 30 * torch.rand(2, 2, generator=generator)
    truth.gt_boxes = Boxes(torch.cat([corner, corner + extent], 1))
    truth.gt_classes = torch.randint(8, (2,), generator=generator)
    image = 255 * torch.rand(3, *SIZE, generator=generator)
    source = {"image": image, "instances": truth, "domain": "source"}
    if case not in ("adversarial", "mean teacher"):
        return [source]
    if case == "adversarial":
        return [source, {"image": image.flip(2) / 3, "domain": "target"}]
    # black: the strong views, which each process draws for itself, are all the same
    return [source, {"image": torch.zeros_like(image), "domain": "target"}]


def shares_of(case, processes):
    """What each process gets: of six images, or six of each domain, its part."""
    share = IMAGES // processes
    shares = [
        [x for i in range(share) for x in image_of(rank * share + i, case)]
        for rank in range(processes)
    ]
    if "no boxes" in case:
        for x in shares[-1]:
            x["instances"] = x["instances"][:0]
    return shares


def losses_of(case, data, wrap):
    """Every loss of every step, as Detectron2's trainer logs it."""
    path, overrides = CASES[case]
    model = model_of(path, *SMALL, *ALL_COUNT, *overrides)
    with torch.no_grad():
        for loss in model.snr_losses.values():  # sure of something, so that the entropies differ
            loss.probe.weight *= 30
    if case == "checkpointed":
        stages = (model.backbone.bottom_up.res3, model.backbone.bottom_up.res4)
        apply_activation_checkpointing(model, check_fn=lambda module: module in stages)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    trainer = SimpleTrainer(wrap(model), [data] * STEPS, optimizer)
    trainer.train(0, STEPS)
    histories = trainer.storage.histories() if comm.is_main_process() else {}
    return {
        name: [value for value, _ in history.values()]
        for name, history in histories.items()
        if "loss" in name
    }


def train(folder):
    """What each process does."""
    torch.set_num_threads(1)
    for case in CASES:
        data = shares_of(case, comm.get_world_size())[comm.get_rank()]
        # on a GPU Detectron2 fills in device_ids itself
        losses = losses_of(
            case, data, lambda m: create_ddp_model(m, broadcast_buffers=False, device_ids=None)
        )
        if comm.is_main_process():
            torch.save(losses, Path(folder) / f"{case}.pth")
    comm.synchronize()
    # Without teardown: torch 2.3 joins Gloo's threads while it holds the GIL, which they may need.
    os._exit(0)


def machine(rank, port, folder):
    url = f"tcp://127.0.0.1:{port}"
    launch(train, 1, num_machines=2, machine_rank=rank, dist_url=url, args=(folder,))


@pytest.fixture(scope="module")
def logged(request, tmp_path_factory):
    """How many processes there were, and a folder with what was logged."""
    folder = tmp_path_factory.mktemp("processes")
    if request.param == "2 machines":
        torch.multiprocessing.start_processes(
            machine, (free_port(), str(folder)), nprocs=2, start_method="spawn"
        )
        return 2, folder
    processes = int(request.param.split()[0])
    launch(train, processes, dist_url="auto", args=(str(folder),))
    return processes, folder


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "Detectron2's `launch` with 2 and 3 processes and on 2 machines (loopback): without and with "
    "the restitution loss, with activation checkpointing, in both adaptations, and with no box in "
    "the images of one process",
    "every loss of every step is that of one process with the whole batch",
)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("logged", ["2 processes", "3 processes", "2 machines"], indirect=True)
def test_losses_are_those_of_one_process(logged, case):
    processes, folder = logged
    shares = shares_of(case, processes)
    if case == "restitution, no boxes":  # a mean over the boxes of each process
        expected = losses_of(case, shares, InTurn)
    else:
        expected = losses_of(case, [x for share in shares for x in share], nn.Identity())
    found = torch.load(folder / f"{case}.pth")
    assert set(found) == set(expected)
    for name, curve in expected.items():
        assert found[name] == pytest.approx(curve, rel=2e-4, abs=1e-6), name
    total = expected["total_loss"]
    assert abs(total[0] - total[-1]) > 1e-2 * total[0]  # it learns
