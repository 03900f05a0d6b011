"""Memory of training: a style layer's output is made anew for the backward, not kept."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn import walks
from snr_plugins.nn.affine import Affine
from snr_plugins.nn.fused import is_restyled
from snr_plugins.nn.style import find_layers


class _Output(NamedTuple):
    """A living output of a style layer, and the node of the graph that made it."""

    tensor: weakref.ref[Tensor]
    version: int
    node: Any

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
        if packed and is_restyled(output):
            address = output.data_ptr()
            living[address] = _Output(weakref.ref(output), output._version, output.grad_fn)
            weakref.finalize(output, living.pop, address, None)

    def pack(tensor: Tensor) -> Any:
        nonlocal packed
        packed += 1
        known = living.get(tensor.data_ptr())
        if known and known.is_seen_in(tensor):
            return known.node
        # without its node: of an operation's own output that would be a circle, which nobody frees
        # unless a backward comes by
        return tensor.detach()

    def unpack(packed: Any) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        with torch.no_grad():
            features, mean, scale, centre = packed.saved_tensors
            return walks.affine(features, mean, Affine(scale, centre))

    hooks = []
    for layer in find_layers(model).values():
        hooks += [layer.register_forward_pre_hook(begin), layer.register_forward_hook(note)]
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            yield
    finally:
        for hook in hooks:
            hook.remove()
