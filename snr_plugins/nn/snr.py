"""The SNR module: instance norm takes the style out, a gate puts the useful residual back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn.affine import Coefficients, normalised, restored
from snr_plugins.nn.fused import measure, transform
from snr_plugins.nn.gate import build_gate


class Step(NamedTuple):
    """What one training forward leaves for the restitution loss: the input (N, C, H, W) itself,
    no copy of it, and the coefficients of the three features."""

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
        self.keep_step = False
        self._step = None  # a Step; TorchScript cannot read that as an annotation

    def forward(self, features: Tensor) -> Tensor:
        measured = measure(features)
        mean = measured.mean
        norm = normalised(measured.var, self.norm.weight, self.norm.bias, self.eps)
        gate = self.gate(mean, self.norm.weight, self.norm.bias)
        gate = gate.to(mean.dtype)  # autocast may have made it half
        enhanced = restored(norm, mean, gate)
        inplace = self.inplace
        if not torch.jit.is_scripting():
            if self.training and self.keep_step:
                contaminated = restored(norm, mean, 1 - gate)
                self._step = Step(features, Coefficients(mean, norm, enhanced, contaminated))
                inplace = False
            elif self._step is not None:  # torch.export refuses an assignment, even of None
                self._step = None
        return transform(measured, enhanced, inplace)

    def take_step(self) -> Step | None:
        """The last training forward's :class:`Step`, once; None if there was none.

        Only kept while ``keep_step`` is set. Taking it lets go of the graph.
        """
        step, self._step = self._step, None
        return step

    def extra_repr(self) -> str:
        return f"channels={self.norm.num_features}, eps={self.eps}"


def find_snr(model: nn.Module) -> dict[str, SNR]:
    """Every SNR inside ``model`` by its dotted name, in registration order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, SNR)}
