"""Memory of training: a style layer's output is made anew for the backward, not kept."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn import walks
from snr_plugins.nn.affine import Affine
from snr_plugins.nn.fused import made_of
from snr_plugins.nn.saved import Saved, load, save
from snr_plugins.nn.style import find_layers


class _Output(NamedTuple):
    """A living output of a style layer, and what it was made of: features, mean, scale, centre."""

    tensor: weakref.ref[Tensor]
    version: int
    made_of: tuple[Saved, ...]

    def is_seen_in(self, tensor: Tensor) -> bool:
        """Whether ``tensor``, of the same address, is this output: whole, as it was, no view."""
        output = self.tensor()
        return (
            output is not None
            and output._version == self.version
            and output.shape == tensor.shape
            and output.stride() == tensor.stride()
        )


@contextlib.contextmanager
def remade_outputs(model: nn.Module) -> Iterator[None]:
    """Within this block autograd keeps no output of ``model``'s style layers.

    The convolution behind a style layer would keep its input for its own backward. But that is one
    multiply-add away from the layer's input, which is kept too; so the map is made anew, to the
    bit, when the backward comes to whoever needs it. Costs a walk over the map each time.

    Only the forward lies in the block::

        with remade_outputs(network):
            loss = loss_of(network(images))
        loss.backward()

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> stages = [nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()), nn.Conv2d(16, 8, 3)]
        >>> net = insert_snr(nn.Sequential(*stages), after=["0"])
        >>> with remade_outputs(net):
        ...     loss = net(torch.rand(1, 3, 9, 9)).sum()
        >>> loss.backward()
    """
    living: dict[int, _Output] = {}  # by address; an address is taken again when its tensor is gone
    packed = 0  # tensors, so far

    def begin(layer: nn.Module, inputs: tuple) -> None:
        nonlocal packed
        packed = 0

    def note(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        # what a layer keeps inside activation checkpointing goes elsewhere, and is had once only
        parts = made_of(output) if packed else None
        if parts is not None:
            address = output.data_ptr()
            saved = tuple(map(save, parts))
            living[address] = _Output(weakref.ref(output), output._version, saved)
            weakref.finalize(output, living.pop, address, None)

    def pack(tensor: Tensor) -> Saved | tuple[Saved, ...]:
        nonlocal packed
        packed += 1
        known = living.get(tensor.data_ptr())
        return known.made_of if known and known.is_seen_in(tensor) else save(tensor)

    def unpack(packed: Saved | tuple[Saved, ...]) -> Tensor:
        if isinstance(packed, Saved):
            return load(packed)
        with torch.no_grad():
            features, mean, scale, centre = map(load, packed)
            return walks.affine(features, mean, Affine(scale, centre))

    hooks = []
    for name, layer in find_layers(model).items():
        if "_orig_mod" not in name.split("."):  # of torch.compile, which is had without hooks
            hooks.append(layer.register_forward_pre_hook(begin))
            # before anybody's hook that changes the output
            hooks.append(layer.register_forward_hook(note, prepend=True))
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            yield
    finally:
        for hook in hooks:
            hook.remove()
