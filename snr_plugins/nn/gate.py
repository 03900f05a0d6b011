"""Gates: how much of each channel's residual comes back, (N, C) in [0, 1].

Every gate is called as ``gate(mean, weight, bias)`` with the feature's spatial mean (N, C) and the
affine parameters (C,) of the instance norm. pool(R), the paper's input, is ``mean - bias``: what
it holds is style alone, so on an unseen domain it may leave the range that the gate learned on.
``bounded`` and ``static`` cannot.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import at_least_float32, without_autocast


class Gate(nn.Module):
    """The paper's channel attention ``sigmoid(fc2(relu(fc1(pool(R)))))``.

    In float32 at least, in a model made half and under autocast too: it costs (N, C) numbers.

    Args:
        channels: C.
        reduction: the hidden width is ``channels // reduction``, and at least 1.
        bias: initial bias of ``fc2``.
    """

    def __init__(self, channels: int, reduction: int, bias: float) -> None:
        super().__init__()
        if reduction < 1:
            raise InputError(f"SNR: reduction {reduction} must be 1 or more; the paper's is 16")
        hidden = max(1, channels // reduction)
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)
        nn.init.constant_(self.fc2.bias, bias)

    def forward(self, mean: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return self._attend(mean - bias)

    def _attend(self, pooled: Tensor) -> Tensor:
        if not torch.jit.is_scripting():  # TorchScript has no such block
            with without_autocast(pooled.device):
                return self._attention(pooled)
        return self._attention(pooled)

    def _attention(self, pooled: Tensor) -> Tensor:
        hidden = torch.relu(_linear(pooled, self.fc1.weight, self.fc1.bias))
        return torch.sigmoid(_linear(hidden, self.fc2.weight, self.fc2.bias))


class BoundedGate(Gate):
    """The same attention on ``tanh(pool(R) / |gamma|)``: its input stays within (-1, 1).

    After :func:`snr_plugins.nn.calibrate`, gamma is the source's mean deviation and the ratio
    counts how many of those the sample's mean lies from the source's. Gamma counts as 0.01 at
    least: a dead channel's is 0.
    """

    def forward(self, mean: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return self._attend(torch.tanh((mean - bias) / weight.abs().clamp(min=1e-2)))


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """In the type of ``x``, whatever that of the parameters is."""
    return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))


class StaticGate(nn.Module):
    """One learned number per channel, the same for every image."""

    def __init__(self, channels: int, reduction: int, bias: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.full((channels,), float(bias)))

    def forward(self, mean: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.sigmoid(at_least_float32(self.logit)).expand_as(mean)


class ClosedGate(nn.Module):
    """Zero: nothing is restored, SNR is instance norm. For ablations."""

    def __init__(self, channels: int, reduction: int, bias: float) -> None:
        super().__init__()

    def forward(self, mean: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.zeros_like(mean)


GATES: dict[str, type[nn.Module]] = {
    "residual": Gate,
    "bounded": BoundedGate,
    "static": StaticGate,
    "closed": ClosedGate,
}


def build_gate(kind: str, channels: int, reduction: int, bias: float) -> nn.Module:
    """The gate called ``kind``, one of :data:`GATES`.

    Raises:
        InputError: there is no such gate, or ``reduction`` is not positive.
    """
    if kind not in GATES:
        raise InputError(f"SNR: there is no gate '{kind}'; choose from: {', '.join(GATES)}")
    return GATES[kind](channels, reduction, bias)
