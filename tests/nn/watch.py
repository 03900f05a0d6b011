"""What a forward shows to the loss, and what autograd keeps of it."""

import contextlib
import gc

import torch

from snr_plugins.nn import observed


def observation_of(snr, x):
    """The Observation that the loss sees when ``snr`` runs on ``x``."""
    all_seen = []
    with observed({"snr": snr}, lambda _, seen: all_seen.append(seen)):
        snr(x)
    (seen,) = all_seen
    return seen


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


def tensors_alive():
    """How many tensors Python knows."""
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
