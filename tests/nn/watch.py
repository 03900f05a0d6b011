"""What a forward shows to the loss, and what autograd keeps of it."""

import contextlib

import torch

from snr_plugins.nn import observed


def step_of(snr, x):
    """The Step that the loss sees when ``snr`` runs on ``x``."""
    steps = []
    with observed({"snr": snr}, lambda _, step: steps.append(step)):
        snr(x)
    (step,) = steps
    return step


@contextlib.contextmanager
def saved_maps(size):
    """Addresses of the tensors of at least ``size`` numbers that autograd saves meanwhile."""
    addresses = set()

    def see(tensor):
        if tensor.numel() >= size:
            addresses.add(tensor.data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        yield addresses
