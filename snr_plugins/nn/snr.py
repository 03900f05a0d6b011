"""The SNR module: instance norm takes the style out, a gate puts the useful residual back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import Coefficients, normalised, restored, statistics


class Step(NamedTuple):
    """What one training forward leaves for the restitution loss: the input (N, C, H, W) itself,
    no copy of it, and the coefficients of the three features."""

    features: Tensor
    coefficients: Coefficients


class Gate(nn.Module):
    """Channel attention ``sigmoid(fc2(relu(fc1(.))))``: pooled residual (N, C) to gate (N, C)."""

    def __init__(self, channels: int, reduction: int, bias: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, channels // reduction)
        self.fc2 = nn.Linear(channels // reduction, channels)
        nn.init.constant_(self.fc2.bias, bias)

    def forward(self, pooled: Tensor) -> Tensor:
        return torch.sigmoid(self.fc2(torch.relu(self.fc1(pooled))))


class SNR(nn.Module):
    """Style Normalization and Restitution (Jin et al., arXiv 2101.00588, section III).

    Maps (N, C, H, W) to the enhanced feature F~+ of the same shape and dtype. In evaluation this is
    one pass for the statistics and one multiply-add. It equals the paper's textbook form exactly,
    by two identities: F~+ is an affine map of F (see :mod:`snr_plugins.nn.affine`), and the
    gate's input pool(R) is ``mean - beta``, since instance norm's spatial mean is its own beta.

    Args:
        channels: C.
        reduction: the gate's hidden width is ``channels // reduction``; the paper's is 16.
        gate_bias: initial bias of the gate's last layer. 0 (the paper) starts the gate at about
            one half; a large positive value opens it, and an open gate (a = 1) is the identity,
            so a pretrained network starts near its own function.
        eps: added to the variance.

    Raises:
        InputError: ``channels`` is smaller than ``reduction``.
    """

    def __init__(
        self, channels: int, reduction: int = 16, gate_bias: float = 0.0, eps: float = 1e-5
    ) -> None:
        super().__init__()
        if reduction < 1 or channels < reduction:
            raise InputError(
                f"SNR: reduction {reduction} leaves no hidden channel in the gate for {channels} "
                f"channels; use a reduction from 1 to {channels}"
            )
        # Used for its parameters only; being an InstanceNorm2d, the frameworks' optimizers give
        # them the weight decay and learning rate of norm layers.
        self.norm = nn.InstanceNorm2d(channels, eps=eps, affine=True)
        self.gate = Gate(channels, reduction, gate_bias)
        self.eps = eps
        self.keep_step = False
        self._step = None  # a Step; TorchScript cannot read that as an annotation

    def forward(self, features: Tensor) -> Tensor:
        mean, var = statistics(features)
        norm = normalised(var, self.norm.weight, self.norm.bias, self.eps)
        pooled = (mean - self.norm.bias).to(self.norm.bias.dtype)  # half in a model made half
        gate = self.gate(pooled).to(mean.dtype)  # autocast may have made it half
        enhanced = restored(norm, mean, gate)
        if not torch.jit.is_scripting():
            self._step = None
            if self.training and self.keep_step:
                contaminated = restored(norm, mean, 1 - gate)
                self._step = Step(features, Coefficients(mean, norm, enhanced, contaminated))
        # (N, C) -> (N, C, 1, 1); the difference promotes half maps to float32, hence the cast back
        centred = features - mean[:, :, None, None]
        out = torch.addcmul(
            enhanced.centre[:, :, None, None], centred, enhanced.scale[:, :, None, None]
        )
        return out.to(features.dtype)

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
