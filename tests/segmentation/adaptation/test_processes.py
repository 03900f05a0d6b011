"""Two gloo processes with a batch each give what one gives with both batches.

Where the method allows it: without batch norm's own statistics in each process, without dropout,
and without the mean teacher's strong views, which every process draws for itself; MaxSquare's
multi-level loss is a mean over as many pixels as a process has labelled.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from torch.optim import SGD

from snr_plugins.errors import InputError
from snr_plugins.openmmlab import StepsDistributedDataParallel
from tests.segmentation.adaptation.batches import adapting, mixed_batch
from tests.segmentation.networks import BACKBONE, HEAD, build

SETTINGS = {
    "MaxSquare": {"target_weight": 3.0},
    "MCD": {"generator_steps": 2},
    "MeanTeacher": {"threshold": 0.2, "strong": {"strength": 0, "tint": 0, "blur": 0}},
}


def model_of(method: str) -> torch.nn.Module:
    return build(
        adapting(
            method,
            snr=True,
            backbone={**BACKBONE, "norm_eval": True},
            decode_head={**HEAD, "norm_cfg": None, "dropout_ratio": 0},
            auxiliary_head=None,
            **SETTINGS[method],
        )
    ).train()


def batch_of(rank: int | None = None) -> dict:
    """Every pixel labelled; of one process its half, or all."""
    batch = mixed_batch(4)
    for sample in batch["data_samples"][::2]:
        sample.gt_sem_seg.data.clamp_(max=4)
    part = slice(None) if rank is None else slice(4 * rank, 4 * rank + 4)
    return {key: values[part] for key, values in batch.items()}


def two_steps(model, wrapped, batch):
    optimizer = OptimWrapper(SGD(model.parameters(), lr=0.1, momentum=0.9))
    for _ in range(2):
        wrapped.train_step(batch, optimizer)
    return {name: value.detach() for name, value in model.named_parameters()}


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    for method in SETTINGS:
        model = model_of(method)
        wrapper, more = MMDistributedDataParallel, {}
        if method == "MCD":
            refused = MMDistributedDataParallel(model, broadcast_buffers=False)
            with pytest.raises(InputError, match="StepsDistributedDataParallel"):
                refused.train_step(batch_of(rank), OptimWrapper(SGD(model.parameters(), lr=0.1)))
            wrapper, more = StepsDistributedDataParallel, {"find_unused_parameters": True}
        wrapped = wrapper(model, broadcast_buffers=False, **more)
        weights = two_steps(model, wrapped, batch_of(rank))
        torch.save(weights, Path(folder) / f"{method}_{rank}.pth")
    os._exit(0)  # gloo sometimes hangs when it is taken down


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With the weights of every method after two steps in each of two processes."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(process, (str(folder),), nprocs=2)
    return folder


@pytest.mark.fault(
    "processes",
    "Two steps of each adaptation of MMSegmentation in two processes",
    "the weights are those of one process with both batches",
)
@pytest.mark.parametrize("method", SETTINGS)
def test_two_processes_are_one_with_the_doubled_batch(folder, method):
    model = model_of(method)
    start = {name: value.clone() for name, value in model.named_parameters()}
    expected = two_steps(model, model, batch_of())
    for rank in (0, 1):
        got = torch.load(folder / f"{method}_{rank}.pth")
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, rtol=1e-3, atol=2e-5, msg=name)
    assert any((expected[name] - start[name]).abs().max() > 1e-3 for name in start)
