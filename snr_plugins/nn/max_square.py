"""Maximum squares (Chen, Xue, Cai, ICCV 2019, arXiv 1909.13589), for images without labels.

As entropy does, they push probabilities towards 0 and 1, but with a gradient that grows linearly
with p where entropy's grows without bound: pixels that are easy already do not drown the others.
Both losses have the scale of the authors' code, which their weight of 0.1 belongs to: 1/C of the
paper's.

Shapes: probabilities (N, C, H, W), of which dimension 1 sums to 1; valid (N, H, W), True where a
pixel is one of the image's and counts, False in padding; None: all count.
"""

from __future__ import annotations

import torch
from torch import Tensor


def max_square(probabilities: Tensor, valid: Tensor | None = None) -> Tensor:
    """L = - sum p^2 / (2 C), averaged over the pixels that count; from -1/(2 C) to -1/(2 C^2).

    Args:
        probabilities: (N, C, H, W).
        valid: (N, H, W), bool.

    Example:
        >>> max_square(torch.tensor([0.5, 0.5]).view(1, 2, 1, 1))  # two classes, no idea
        tensor(-0.1250)
    """
    squares = probabilities.square().mean(dim=1)
    counted = torch.ones_like(squares) if valid is None else valid.to(squares)
    return -(squares * counted).sum() / counted.sum().clamp(min=1) / 2


def image_wise_max_square(
    probabilities: Tensor, valid: Tensor | None = None, ratio: float = 0.2
) -> Tensor:
    """Pixels of a class that is rare in their image weigh more; a scalar.

    With N_c the pixels of an image whose likeliest class is c, N all its pixels, and c that of
    pixel n: w_n = 1 / (N_c^ratio N^(1 - ratio)), L = - sum over n of w_n p_n^2 / C, averaged over
    the images. The weights have no gradient. At ratio 0 it is twice :func:`max_square`.

    The authors' code adds up images of a batch before it weighs them: right for batches of one.

    Args:
        probabilities: (N, C, H, W).
        valid: (N, H, W), bool.
        ratio: 0 for equal pixels to 1 for equal classes.
    """
    squares = probabilities.square().mean(dim=1)
    counted = torch.ones_like(squares) if valid is None else valid.to(squares)
    with torch.no_grad():
        likeliest = probabilities.argmax(dim=1)
        weights = []
        for classes, counts in zip(likeliest, counted, strict=True):  # of one image, (H, W)
            sizes = torch.bincount(
                classes.flatten(), counts.flatten(), minlength=probabilities.shape[1]
            )
            pixels_of_class = sizes.to(squares)[classes]
            scale = pixels_of_class.pow(ratio) * counts.sum().pow(1 - ratio)
            weights.append(counts / scale.clamp(min=1))
        weight = torch.stack(weights)
    return -(squares * weight).sum() / len(probabilities)
