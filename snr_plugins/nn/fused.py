"""An affine map with coefficients of its input's own statistics, at the price of instance norm.

    mean, var    = statistics of the features                   (N, C) each
    coefficients = any (N, C) algebra of the two, in ordinary autograd
    out          = scale * (features - mean) + centre

Left to autograd, every elementwise step would keep and walk a map of its own. Here the forward
keeps the features alone, and the backward is two walks. With g the gradient of ``out``:

 1. The map's own node needs sum(g) and sum(g (F - mean)): the gradients of centre and scale.
 2. Autograd takes them through the (N, C) algebra to the mean and the variance, and joins there
    whatever else reached the coefficients, such as the restitution loss.
 3. The statistics' node needs dF = scale g + (2 dvar / HW) (F - mean) + dmean / HW.

Step 3 is one walk because the map's node leaves ``scale g`` to it: the statistics' node hands out,
besides its results, the features once more and a slot, and the map's node returns g as the gradient
of the one and the scale as that of the other. Both travel on the graph, so nothing is shared on the
side; and both stay inside :func:`restyle`, because a second map of the same measurement would add
its own g and scale to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from snr_plugins.nn import walks
from snr_plugins.nn.affine import Affine, applied, statistics


def restyle(
    features: Tensor, coefficients: Callable[[Tensor, Tensor], Affine], inplace: bool = False
) -> Tensor:
    """``scale * (features - mean) + centre`` in the features' dtype and layout.

    Statistics accumulate in at least float32. Rounds as instance norm does: within a rounding error
    of ``scale * mean``. Differentiable once; a second derivative raises. Traced, compiled and
    exported code holds the plain formula instead.

    Args:
        features: (N, C, H, W).
        coefficients: from spatial mean and biased variance, (N, C) each, to scale and centre,
            (N, C) each; called once, in ordinary autograd.
        inplace: overwrite the features where autograd is off. Only for a caller who knows that
            nobody else needs them.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # to be run elsewhere
        mean, var = statistics(features)
        return applied(features, mean, coefficients(mean, var))
    if not torch.is_grad_enabled():
        mean, var = walks.statistics(features)
        # what needs a gradient here is kept by activation checkpointing of the reentrant kind
        inplace = inplace and not features.requires_grad
        return walks.affine(features, mean, coefficients(mean, var), inplace)
    features, mean, var, slot = _Measure.apply(features)
    return _Transform.apply(features, slot, mean, *coefficients(mean, var))


class _Measure(torch.autograd.Function):
    @staticmethod
    def forward(features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, var = walks.statistics(features)
        # autograd wants a view where an input is both put out and saved
        return features.view_as(features), mean, var, torch.empty_like(mean)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        (features,) = inputs
        _, mean, _, _ = output
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(features, mean)

    @staticmethod
    @once_differentiable
    def backward(  # None where only the statistics, or only the map, were used
        ctx: Any,
        grad: Tensor | None,
        grad_mean: Tensor | None,
        grad_var: Tensor | None,
        scale: Tensor | None,
    ) -> Tensor:
        features, mean = ctx.saved_tensors
        pixels = features.shape[2] * features.shape[3]
        style = Affine(
            scale=torch.zeros_like(mean) if grad_var is None else grad_var * (2 / pixels),
            centre=torch.zeros_like(mean) if grad_mean is None else grad_mean / pixels,
        )
        if grad is None or scale is None:
            return walks.affine(features, mean, style)
        return walks.gradient(grad, scale, features, mean, style)


class _Transform(torch.autograd.Function):
    @staticmethod
    def forward(
        features: Tensor, slot: Tensor, mean: Tensor, scale: Tensor, centre: Tensor
    ) -> Tensor:
        return walks.affine(features, mean, Affine(scale, centre))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        features, _, mean, scale, centre = inputs
        ctx.save_for_backward(features, mean, scale, centre)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        features, mean, scale, _ = ctx.saved_tensors
        total, product = walks.gradient_sums(grad, features, mean)
        return grad, scale, -scale * total, product, total


def made_of(tensor: Tensor) -> tuple[Tensor, ...] | None:
    """Of what :func:`restyle` made this very tensor: the features, their mean, the scale and the
    centre. None if it did not, or without a graph."""
    node = tensor.grad_fn
    return node.saved_tensors if isinstance(node, _Transform._backward_cls) else None
