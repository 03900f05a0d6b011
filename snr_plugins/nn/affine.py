"""SNR's three features as affine maps of the input.

With ``s = gamma / sqrt(var + eps)`` and the gate ``a``, the features of Jin et al.
(arXiv 2101.00588, eqs. 1-4) are, per sample and channel,

    normalised    F~  = s (F - mu) + beta                                    instance norm
    residual      R   = F - F~
    enhanced      F~+ = F~ + a R       = (a + (1-a) s) (F - mu) + a mu + (1-a) beta
    contaminated  F~- = F~ + (1-a) R   = ((1-a) + a s) (F - mu) + (1-a) mu + a beta

so none of them needs a feature map of its own: everything is read from (N, C) coefficients.
The maps are written on F - mu, not on F: where a channel hardly varies s is large, and the constant
``beta - s mu`` would lose in float32 what ``s (F - mu)`` keeps.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import torch
from torch import Tensor


class Affine(NamedTuple):
    """The map ``F -> scale * (F - mean) + centre``; (N, C) each. ``centre`` is its spatial mean."""

    scale: Tensor
    centre: Tensor


class Coefficients(NamedTuple):
    """The three features of one SNR as maps of its input, which has the spatial ``mean`` (N, C)."""

    mean: Tensor
    normalised: Affine
    enhanced: Affine
    contaminated: Affine


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half-precision tensors as float32, all others as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """Within this block nothing is made half by autocast.

    For what takes few numbers and must hold large ones: those of a map reach 6e4, a sum of them
    leaves float16, and the difference of two infinite sums is NaN.
    """
    enabled = {"cpu": torch.is_autocast_cpu_enabled, "cuda": torch.is_autocast_enabled}
    if device.type in enabled and enabled[device.type]():
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()  # so that an exported graph, made without, shows no trace of it


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Spatial mean and biased variance of ``features`` (N, C, H, W), each (N, C).

    Half-precision inputs accumulate in float32; float64 stays float64. Differentiable, and one
    operation to record; :mod:`snr_plugins.nn.walks` has the faster forms.
    """
    var, mean = torch.var_mean(at_least_float32(features), dim=(2, 3), unbiased=False)
    return mean, var


def applied(features: Tensor, mean: Tensor, affine: Affine) -> Tensor:
    """``affine`` of ``features``, in their dtype; the plain formula, for any device and layout."""
    # (N, C) -> (N, C, 1, 1); the difference promotes half maps to float32, hence the cast back
    centred = features - mean[:, :, None, None]
    out = torch.addcmul(affine.centre[:, :, None, None], centred, affine.scale[:, :, None, None])
    return out.to(features.dtype)


def normalised(var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Affine:
    """F~, instance norm with the affine parameters ``weight`` and ``bias``, both (C,)."""
    scale = weight * torch.rsqrt(var + eps)
    return Affine(scale, bias.expand_as(scale))


def restored(norm: Affine, mean: Tensor, gate: Tensor) -> Affine:
    """F~ + gate * R, ``gate`` (N, C) in [0, 1]. F~+ for the gate a, F~- for the gate 1 - a."""
    scale = gate + (1 - gate) * norm.scale
    return Affine(scale, gate * mean + (1 - gate) * norm.centre)
