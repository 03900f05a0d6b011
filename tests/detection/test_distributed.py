"""Two processes, as on two GPUs: all parameters get a gradient, even if one process has no box."""

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.events import EventStorage

from tests.detection.test_models import C4, batch, config


def join(rank: int, folder: str) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The model of one of two processes, plain and wrapped."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    comm.create_local_process_group(2)
    torch.manual_seed(0)
    model = build_model(config(C4)).train()
    parallel = torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
    return model, parallel


def train_two_steps(rank: int, folder: str) -> None:
    model, parallel = join(rank, folder)
    for _ in range(2):  # the second fails if the first left a parameter without gradient
        inputs = batch()[:1]
        if rank == 1:
            inputs[0]["instances"] = inputs[0]["instances"][:0]
        parallel.zero_grad()
        with EventStorage():
            sum(parallel(inputs).values()).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if "snr" in name}
    torch.save(gradients, Path(folder) / f"gradients_{rank}.pth")
    # Without teardown: torch 2.3 joins Gloo's threads while it holds the GIL, which they may need.
    os._exit(0)


def calibrate(rank: int, folder: str) -> None:
    model, parallel = join(rank, folder)
    with EventStorage():
        parallel(same_size()[rank : rank + 1])
    torch.save(style(model), Path(folder) / f"style_{rank}.pth")
    os._exit(0)


def same_size() -> list[dict]:
    """Images of one size, so that none is padded for the other."""
    inputs = batch()[:1] + batch()[:1]
    inputs[1]["image"] = 255 - inputs[1]["image"] / 2
    return inputs


def style(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if ".snr.norm." in n}


@pytest.mark.fault(
    "processes",
    "The calibrated start in two processes: of the method by itself, with one and three images, "
    "and of a detector on its first batch",
    "gamma and beta are those of one process with all images",
)
def test_calibrated_start_is_that_of_one_process_with_the_whole_batch(tmp_path):
    torch.multiprocessing.spawn(calibrate, (str(tmp_path),), nprocs=2)
    torch.manual_seed(0)
    model = build_model(config(C4)).train()
    with EventStorage():
        model(same_size())
    for rank in (0, 1):
        found = torch.load(tmp_path / f"style_{rank}.pth")
        assert len(found) == 6
        for name, value in style(model).items():
            torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-4)


@pytest.mark.fault(
    "processes",
    "Two steps of a detector in two processes, of which one has no box",
    "every parameter has a gradient, the same in both",
)
def test_gradients_agree_where_one_process_has_no_box(tmp_path):
    torch.multiprocessing.spawn(train_two_steps, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"gradients_{rank}.pth") for rank in (0, 1))
    assert len(first) == 24  # three SNRs of six tensors and three probes of two
    for name, gradient in first.items():
        torch.testing.assert_close(gradient, second[name])
