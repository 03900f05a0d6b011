"""The oracle: SNR and its loss as the paper writes them, one feature map after the other.

Tests compare with it and benchmarks time it; nothing else uses it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from snr_plugins.nn.snr import SNR


def features(snr: SNR, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(F~, F~+, F~-) of Jin et al. eqs. 1-4, with the parameters of ``snr``."""
    normalised, residual, gate = _parts(snr, x)
    return normalised, normalised + gate * residual, normalised + (1 - gate) * residual


def enhanced(snr: SNR, x: Tensor) -> Tensor:
    """F~+ alone: what a network goes on with."""
    normalised, residual, gate = _parts(snr, x)
    return normalised + gate * residual


def _parts(snr: SNR, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    normalised = F.instance_norm(x, weight=snr.norm.weight, bias=snr.norm.bias, eps=snr.eps)
    residual = x - normalised
    pooled = residual.mean(dim=(2, 3))
    hidden = torch.relu(F.linear(pooled, snr.gate.fc1.weight, snr.gate.fc1.bias))
    gate = torch.sigmoid(F.linear(hidden, snr.gate.fc2.weight, snr.gate.fc2.bias))[..., None, None]
    return normalised, residual, gate


def entropy(logits: Tensor) -> Tensor:
    """In nats, of softmax over dim 1."""
    p = torch.softmax(logits, dim=1)
    return -torch.special.xlogy(p, p).sum(dim=1)  # 0 log 0 = 0


def ranking(normalised: Tensor, enhanced: Tensor, contaminated: Tensor) -> Tensor:
    """L+ + L- (eqs. 5-7) of three entropy tensors, averaged."""
    sharpened = torch.log1p(torch.exp(enhanced - normalised))
    blurred = torch.log1p(torch.exp(normalised - contaminated))
    return (sharpened + blurred).mean()
