"""An affine map with coefficients of its input's own statistics, at the price of instance norm.

    measured = measure(features)                       # mean and variance, (N, C)
    coefficients = ...                                 # any (N, C) algebra, in ordinary autograd
    out = transform(measured, Affine(scale, centre))   # scale * (features - mean) + centre

Left to autograd, every elementwise step would keep and walk a map of its own. Here the forward
keeps the features alone, and the backward is two walks. With g the gradient of ``out``:

 1. ``transform`` needs sum(g) and sum(g (F - mean)): the gradients of centre and scale.
 2. Autograd takes them through the (N, C) algebra to the mean and the variance, and joins there
    whatever else reached the coefficients, such as the restitution loss.
 3. ``measure`` needs dF = scale g + (2 dvar / HW) (F - mean) + dmean / HW.

Step 3 is one walk because ``transform`` leaves ``scale g`` to it: ``measure`` hands out, besides
its results, the features once more and a slot, and ``transform`` returns g as the gradient of the
one and the scale as that of the other. Both travel on the graph, so nothing is shared on the side.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from snr_plugins.nn import passes
from snr_plugins.nn.affine import Affine, applied, statistics


class Measured(NamedTuple):
    """A feature map (N, C, H, W) with its spatial mean and biased variance (N, C).

    For one :func:`transform` only. ``features`` and ``slot`` are private to it: their gradients
    are not what their names say.
    """

    features: Tensor
    mean: Tensor
    var: Tensor
    slot: Tensor


def measure(features: Tensor) -> Measured:
    """Statistics of ``features`` (N, C, H, W), accumulated in at least float32.

    Differentiable once; a second derivative raises. Scripted, traced, compiled and exported code
    holds the plain formula instead.
    """
    # an `if` of its own, so that TorchScript does not read what is inside
    if not torch.jit.is_scripting():  # noqa: SIM102
        if not _recorded():
            if torch.is_grad_enabled():
                return Measured(*_Measure.apply(features))
            mean, var = passes.statistics(features)
            return Measured(features, mean, var, mean)
    mean, var = statistics(features)
    return Measured(features, mean, var, mean)


def transform(measured: Measured, affine: Affine, inplace: bool = False) -> Tensor:
    """``scale * (features - mean) + centre`` in the features' dtype and layout.

    Rounds as instance norm does: within a rounding error of ``scale * mean``.

    Args:
        measured: what :func:`measure` returned; not to be used again.
        affine: scale and centre, (N, C) each.
        inplace: overwrite the features where autograd is off. Only for a caller who knows that
            nobody else needs them.
    """
    if not torch.jit.is_scripting():  # noqa: SIM102
        if not _recorded():
            if not torch.is_grad_enabled():
                return passes.affine(measured.features, measured.mean, affine, inplace)
            return _Transform.apply(measured.features, measured.slot, measured.mean, *affine)
    return applied(measured.features, measured.mean, affine)


def _recorded() -> bool:
    """Whether the operations are being written down, to run elsewhere."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


class _Measure(torch.autograd.Function):
    @staticmethod
    def forward(features):
        mean, var = passes.statistics(features)
        # autograd wants a view where an input is both put out and saved
        return features.view_as(features), mean, var, torch.empty_like(mean)

    @staticmethod
    def setup_context(ctx, inputs, output):
        (features,) = inputs
        _, mean, _, _ = output
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features, mean)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, grad_mean, grad_var, scale):
        """``grad`` and ``scale`` are None where only the statistics were used."""
        features, mean = ctx.saved_tensors
        pixels = features.shape[2] * features.shape[3]
        style = Affine(
            scale=torch.zeros_like(mean) if grad_var is None else grad_var * (2 / pixels),
            centre=torch.zeros_like(mean) if grad_mean is None else grad_mean / pixels,
        )
        if grad is None:
            return passes.affine(features, mean, style)
        return passes.gradient(grad, scale, features, mean, style)


class _Transform(torch.autograd.Function):
    @staticmethod
    def forward(features, slot, mean, scale, centre):
        return passes.affine(features, mean, Affine(scale, centre))

    @staticmethod
    def setup_context(ctx, inputs, output):
        features, _, mean, scale, _ = inputs
        ctx.save_for_backward(features, mean, scale)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        features, mean, scale = ctx.saved_tensors
        total, product = passes.gradient_sums(grad, features, mean)
        return grad, scale, -scale * total, product, total
