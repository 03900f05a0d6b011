"""What SNR adds to what the processes send each other: the formulas of docs/processes.md."""

import os

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from snr_plugins.nn import StageLosses, calibrate, find_snr, insert_snr

CHANNELS, CLASSES = (32, 64), 5


class Sent(TorchDispatchMode):
    """Notes the bytes of each collective call that Python makes."""

    def __init__(self):
        super().__init__()
        self.bytes = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "c10d":
            self.bytes.append(sum(tensor.nbytes for tensor in args[0]))
        return func(*args, **(kwargs or {}))


class Detector(nn.Module):
    """Two stages; with SNR it makes the restitution loss, without it does what is left."""

    def __init__(self, snr):
        super().__init__()
        widths = (3, *CHANNELS)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(i, o, 3), nn.ReLU())
                for i, o in zip(widths, CHANNELS, strict=False)
            )
        )
        self.losses = None
        if snr:
            insert_snr(self.stages, after=["0", "1"])
            self.losses = StageLosses(find_snr(self.stages), CLASSES)

    def forward(self, images, labels):
        if self.losses is None:
            return self.stages(images).mean()
        with self.losses.observing(lambda name, loss, seen: loss.pooled(seen, labels)) as terms:
            out = self.stages(images).mean()
        return out + sum(self.losses.weighted(terms).values())


def step(model):
    """Bytes of the gradients that DistributedDataParallel hands over, and of all other calls."""
    parallel = DistributedDataParallel(model, broadcast_buffers=False)  # as both frameworks
    gradients = []

    def note(state, bucket):
        gradients.append(bucket.buffer().nbytes)
        done = torch.futures.Future()
        done.set_result(bucket.buffer())
        return done

    parallel.register_comm_hook(None, note)
    with Sent() as sent:
        parallel(torch.rand(2, 3, 12, 12), torch.tensor([0, 3])).backward()
    return sum(gradients), sent.bytes


def process(rank, file):
    dist.init_process_group("gloo", store=dist.HashStore(), rank=rank, world_size=1)
    model = Detector(snr=True)
    with Sent() as sent:
        calibrate(model, [torch.rand(2, 3, 12, 12)], model.stages)
    torch.save((sent.bytes, step(Detector(snr=False)), step(model)), file)
    # Without teardown: torch 2.3 joins Gloo's threads while it holds the GIL, which they may need.
    os._exit(0)


@pytest.mark.fault(
    "processes",
    "The bytes that a process hands to others for the calibrated start and in a step, counted",
    "they are the formulas of [Many processes](processes.md#what-grows-with-their-number)",
)
def test_bytes_are_those_of_the_formulas(tmp_path):
    file = tmp_path / "sent.pth"
    torch.multiprocessing.spawn(process, (str(file),))
    calibration, (plain, others), (with_snr, others_of_snr) = torch.load(file)
    assert calibration == [4 * (2 * c + 1) for c in CHANNELS]
    hidden = [c // 16 for c in CHANNELS]
    snr = sum(3 * c + 2 * c * h + h for c, h in zip(CHANNELS, hidden, strict=True))
    probes = sum(CLASSES * (c + 1) for c in CHANNELS)
    assert with_snr - plain == 4 * (snr + probes)
    assert others == others_of_snr == []
