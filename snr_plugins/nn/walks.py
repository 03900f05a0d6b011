"""The four walks over a feature map that SNR takes, two forward and two backward.

Everything else that SNR computes is (N, C). On a GPU with Triton each walk is a kernel of
:mod:`snr_plugins.nn.kernels`. For contiguous maps on the CPU it borrows the kernels of torch's own
batch and group norm, which are vectorised over a map's pixels where torch's reductions and
broadcasts are not. All other maps take the formula itself. No walk is differentiable:
:mod:`snr_plugins.nn.fused` joins them into one backward.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch
from torch import Tensor

from snr_plugins.nn.affine import Affine, applied, at_least_float32

# What one core reads and writes of a map while both still lie in its cache (float32: 1 MiB).
PIXELS_IN_CACHE = 1 << 17


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Spatial mean and biased variance of ``features`` (N, C, H, W), each (N, C).

    The variance is that of the centred map: E[F^2] - mean^2 would cancel where a channel varies
    little around a large mean. Half-precision inputs accumulate in float32; float64 stays float64.
    """
    if kernels := _kernels(features):
        return kernels.statistics(features)
    features = at_least_float32(features)
    if not _has_fast_form(features):
        mean = features.mean(dim=(2, 3))
        return mean, (features - _map(mean)).square_().mean(dim=(2, 3))
    n, c, height, width = features.shape
    pixels = height * width
    planes = features.view(1, n * c, pixels)
    means, rstds = [], []
    # Group norm also writes the normalised map, which nobody wants: in slices it stays in cache.
    for part in planes.split(max(1, torch.get_num_threads() * PIXELS_IN_CACHE // pixels), dim=1):
        groups = part.shape[1]
        _, mean, rstd = torch.native_group_norm(part, None, None, 1, groups, pixels, groups, 0.0)
        means.append(mean)
        rstds.append(rstd)
    # eps was 0, so a constant map has rstd = inf and variance 0
    return torch.cat(means, 1).view(n, c), torch.cat(rstds, 1).view(n, c).pow(-2)


def affine(features: Tensor, mean: Tensor, transform: Affine, inplace: bool = False) -> Tensor:
    """``scale * (features - mean) + centre`` in the dtype and layout of ``features``.

    ``inplace`` writes it over ``features``.
    """
    if kernels := _kernels(features):
        return kernels.affine(features, mean, transform, inplace)
    if not _has_fast_form(features):
        out = applied(features, mean, transform)
        return features.copy_(out) if inplace else out
    scale, centre = transform
    out = features if inplace else torch.empty_like(features)
    unused = mean.new_empty(0)
    # Batch norm in evaluation, with every (n, c) a channel of its own and the variance 1.
    torch.ops.aten.native_batch_norm.out(
        _one_sample(features),
        scale.flatten(),
        centre.flatten(),
        mean.flatten(),
        torch.ones_like(mean).flatten(),
        False,  # evaluation
        0.0,  # momentum
        0.0,  # eps
        out=_one_sample(out),
        save_mean=unused,
        save_invstd=unused,
    )
    return out


def gradient_sums(grad: Tensor, features: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Spatial sums of ``grad`` and of ``grad * (features - mean)``, each (N, C)."""
    if kernels := _kernels(features):
        return kernels.gradient_sums(grad, features, mean)
    if not _has_fast_form(features):
        grad = at_least_float32(grad)
        centred = features - _map(mean)
        return grad.sum(dim=(2, 3)), centred.mul_(grad).sum(dim=(2, 3))
    ones = torch.ones_like(mean).flatten()
    # Batch norm's gradients of its weight and bias, with every (n, c) a channel and variance 1.
    _, product, total = torch.ops.aten.native_batch_norm_backward(
        _one_sample(grad.contiguous()),
        _one_sample(features),
        ones,  # weight
        None,
        None,
        mean.flatten(),
        ones,  # 1 / sqrt(variance)
        True,  # training: the statistics are the ones given
        0.0,  # eps
        [False, True, True],  # no gradient of the input
    )
    return total.view_as(mean), product.view_as(mean)


def gradient(grad: Tensor, scale: Tensor, features: Tensor, mean: Tensor, style: Affine) -> Tensor:
    """``scale * grad + style.scale * (features - mean) + style.centre``, like ``features``."""
    if kernels := _kernels(features):
        return kernels.gradient(grad, scale, features, mean, style)
    if not _has_fast_form(features):
        out = torch.addcmul(_map(style.centre), features - _map(mean), _map(style.scale))
        return out.addcmul_(at_least_float32(grad), _map(scale)).to(features.dtype)
    return affine(features, mean, style).addcmul_(grad, _map(scale))


def _kernels(features: Tensor) -> ModuleType | None:
    """The Triton kernels, if they can walk this map."""
    dense = features.is_contiguous() or features.is_contiguous(memory_format=torch.channels_last)
    if features.is_cuda and dense and features.numel() > 0 and features.dtype != torch.float64:
        return _triton_kernels()
    return None


@functools.lru_cache(maxsize=1)
def _triton_kernels() -> ModuleType | None:
    try:
        return importlib.import_module("snr_plugins.nn.kernels")
    except ImportError:  # no Triton here: the formulas give the same numbers
        return None


def _has_fast_form(features: Tensor) -> bool:
    return (
        features.device.type == "cpu"
        and features.dtype in (torch.float32, torch.float64)
        and features.is_contiguous()
        and features.numel() > 0
    )


def _one_sample(features: Tensor) -> Tensor:
    """(N, C, H, W) seen as (1, N * C, H, W)."""
    return features.view(1, -1, features.shape[2], features.shape[3])


def _map(values: Tensor) -> Tensor:
    """(N, C) as the constant map (N, C, 1, 1)."""
    return values[:, :, None, None]
