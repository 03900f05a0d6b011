"""Labels that a network gives its target itself, where it is sure enough.

Shapes: probabilities (N, C, H, W); labels (N, H, W), ``IGNORED`` where there is none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORED = 255


def confident_labels(
    probabilities: Tensor, threshold: float, valid: Tensor | None = None
) -> Tensor:
    """The likeliest class of each pixel whose probability is above ``threshold``.

    Args:
        probabilities: (N, C, H, W).
        threshold: of the likeliest class.
        valid: (N, H, W), bool, False in padding; None: all count.

    Example:
        >>> p = torch.tensor([[0.9, 0.4], [0.1, 0.6]]).view(1, 2, 1, 2)
        >>> confident_labels(p, 0.8)
        tensor([[[  0, 255]]])
    """
    highest, labels = probabilities.detach().max(dim=1)
    return _kept(labels, highest > threshold, valid)


def agreed_labels(
    main: Tensor, auxiliary: Tensor, threshold: float, valid: Tensor | None = None
) -> Tensor:
    """The likeliest class of the mean of two heads, where one of them is sure of its own.

    MaxSquare's labels for its auxiliary head, whose features lie a stage earlier.

    Args:
        main, auxiliary: (N, C, H, W) each.
        threshold: of either head's likeliest class.
        valid: (N, H, W), bool, False in padding; None: all count.
    """
    main, auxiliary = main.detach(), auxiliary.detach()
    labels = (main + auxiliary).argmax(dim=1)
    sure = (main.amax(dim=1) > threshold) | (auxiliary.amax(dim=1) > threshold)
    return _kept(labels, sure, valid)


def pseudo_cross_entropy(scores: Tensor, labels: Tensor, pixels: Tensor | int) -> Tensor:
    """Cross-entropy summed over the labelled pixels, divided by ``pixels``; 0 if there is no label.

    Args:
        scores: (N, C, H, W), before the softmax.
        labels: (N, H, W).
        pixels: what the sum is shared among: those that are labelled, or all that could be, so that
            few labels weigh little.
    """
    total = F.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum")
    return total / torch.as_tensor(pixels, device=scores.device).clamp(min=1)


def _kept(labels: Tensor, sure: Tensor, valid: Tensor | None) -> Tensor:
    return labels.masked_fill(~(sure if valid is None else sure & valid), IGNORED)
