"""A factor on the way back alone: gradient reversal (Ganin and Lempitsky, ICML 2015)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """``x`` itself, whose gradient is multiplied by ``factor``; a negative one reverses it.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> scale_gradient(3 * x, -0.1).sum().backward()
        >>> x.grad
        tensor([-0.3000, -0.3000])
    """
    return _ScaleGradient.apply(x, factor)
