"""The SNR module: instance norm takes the style out, a gate puts the useful residual back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn.affine import Coefficients, normalised, restored
from snr_plugins.nn.fused import measure, transform
from snr_plugins.nn.gate import build_gate


class Step(NamedTuple):
    """What a forward shows to the restitution loss: the input (N, C, H, W) itself, no copy of it,
    and the coefficients of the three features."""

    features: Tensor
    coefficients: Coefficients


class SNR(nn.Module):
    """Style Normalization and Restitution (Jin et al., arXiv 2101.00588, section III).

    Maps (N, C, H, W) to the enhanced feature F~+ of the same shape and dtype: one walk over the map
    for the statistics, one for a multiply-add, and two more in the backward, which keeps the input
    alone (:mod:`snr_plugins.nn.fused`). Differentiable once. It equals the paper's textbook form
    exactly, by two identities: F~+ is an affine map of F (see :mod:`snr_plugins.nn.affine`), and
    the gate's input pool(R) is ``mean - beta``, since instance norm's spatial mean is its own beta.

    Args:
        channels: C.
        reduction: the gate's hidden width is ``channels // reduction``; the paper's is 16.
        gate_bias: initial bias of the gate's last layer. 0 (the paper) starts the gate at about
            one half; a large positive value opens it, and an open gate (a = 1) is the identity,
            so a pretrained network starts near its own function.
        eps: added to the variance.
        gate: "residual" (the paper's), "bounded", "static" or "closed" (instance norm alone); see
            :mod:`snr_plugins.nn.gate`.
        inplace: where autograd is off, overwrite the input, as ``nn.ReLU(inplace=True)`` does.
            For inputs that nobody else reads; saves a map of memory and the time to touch it.

    Raises:
        InputError: ``channels`` is smaller than ``reduction``, or ``gate`` is unknown.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        gate_bias: float = 0.0,
        eps: float = 1e-5,
        gate: str = "residual",
        inplace: bool = False,
    ) -> None:
        super().__init__()
        # Used for its parameters only; being an InstanceNorm2d, the frameworks' optimizers give
        # them the weight decay and learning rate of norm layers.
        self.norm = nn.InstanceNorm2d(channels, eps=eps, affine=True)
        self.gate = build_gate(gate, channels, reduction, gate_bias)
        self.eps = eps
        self.inplace = inplace
        self.on_step = None  # a Callable[[Step], None], which TorchScript cannot read; see observed

    def forward(self, features: Tensor) -> Tensor:
        measured = measure(features)
        mean = measured.mean
        norm = normalised(measured.var, self.norm.weight, self.norm.bias, self.eps)
        gate = self.gate(mean, self.norm.weight, self.norm.bias)
        gate = gate.to(mean.dtype)  # autocast may have made it half
        enhanced = restored(norm, mean, gate)
        inplace = self.inplace
        # an `if` of its own, so that TorchScript does not read what is inside
        if not torch.jit.is_scripting():  # noqa: SIM102
            if self.on_step is not None:
                contaminated = restored(norm, mean, 1 - gate)
                self.on_step(Step(features, Coefficients(mean, norm, enhanced, contaminated)))
                inplace = False
        return transform(measured, enhanced, inplace)

    def extra_repr(self) -> str:
        return f"channels={self.norm.num_features}, eps={self.eps}"


def find_snr(model: nn.Module) -> dict[str, SNR]:
    """Every SNR inside ``model`` by its dotted name, in registration order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, SNR)}


@contextlib.contextmanager
def observed(modules: dict[str, SNR], observe: Callable[[str, Step], None]) -> Iterator[None]:
    """Within this block each of ``modules`` calls ``observe(name, step)`` in its forward.

    A loss built there, and not after the network, has its backward run next to the SNR's own:
    autograd takes the latest operations first. Built later, its gradient for every stage's map
    would be made first of all and stay alive until the backward came to that stage.
    """
    for name, snr in modules.items():
        snr.on_step = partial(observe, name)
    try:
        yield
    finally:  # whatever happens, no graph stays behind on the modules
        for snr in modules.values():
            snr.on_step = None
