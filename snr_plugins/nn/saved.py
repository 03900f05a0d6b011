"""Hooks of :mod:`torch.autograd.graph` that change nothing of what autograd saves."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Saved(NamedTuple):
    """A saved tensor, without its node: an operation's own output would hold the node that holds
    it, a circle that nobody frees unless a backward comes by. And its version, since autograd does
    not look whether what a hook hands back has been changed meanwhile."""

    tensor: Tensor
    version: int


def save(tensor: Tensor) -> Saved:
    """A hook to pack with; `load` unpacks."""
    return Saved(tensor.detach(), tensor._version)


def load(saved: Saved) -> Tensor:
    """The tensor again.

    Raises:
        RuntimeError: it was changed in place since, as autograd itself would say.
    """
    if saved.tensor._version != saved.version:
        shape = tuple(saved.tensor.shape)
        raise RuntimeError(
            f"a tensor {shape} that the backward needs was modified by an inplace operation: it is "
            f"at version {saved.tensor._version}, expected version {saved.version}"
        )
    return saved.tensor
