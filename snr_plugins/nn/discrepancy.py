"""How much two classifiers disagree (Saito et al., CVPR 2018, arXiv 1712.02560)."""

from __future__ import annotations

import torch
from torch import Tensor


def discrepancy(first: Tensor, second: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean over pixels and classes of ``|p1 - p2|``; a scalar in [0, 2 / C].

    Args:
        first, second: probabilities (N, C, ...) of the two classifiers.
        valid: (N, ...), bool, False in padding; None: all count.

    Example:
        >>> discrepancy(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
        tensor(0.5000)
    """
    apart = (first - second).abs().mean(dim=1)
    counted = torch.ones_like(apart) if valid is None else valid.to(apart)
    return (apart * counted).sum() / counted.sum().clamp(min=1)
