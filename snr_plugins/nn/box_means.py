"""The mean of a map over boxes, as two matrix products."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from snr_plugins.nn.affine import at_least_float32, without_autocast

# Along each side of a box: as many as a 7x7 box head with two samples a bin takes.
SAMPLES = 14


def box_means(
    features: Tensor, boxes: Sequence[Tensor], stride: float, samples: int = SAMPLES
) -> Tensor:
    """What ROIAlign makes of each box in a single bin, and the same gradient.

    It averages ``samples`` x ``samples`` points, each between four pixels. Whatever the points are,
    their mean weighs a pixel by its row times its column: rows (P, H), times the map, times columns
    (W, P). On a CPU torchvision's backward puts down one point after the other in one thread.

    Args:
        features: (N, C, H, W).
        boxes: of each image (P_n, 4), x1, y1, x2, y2 in pixels of the image.
        stride: pixels of the image to one of the map.
        samples: points along each side of a box.

    Returns:
        (P, C) in at least float32, the boxes of the first image first.
    """
    height, width = features.shape[2:]
    corners = pad_sequence(list(boxes), batch_first=True)  # (N, most, 4)
    corners = at_least_float32(corners) / stride - 0.5  # half would move them by pixels
    columns = _shares(corners[..., 0], corners[..., 2], width, samples)  # (N, most, W)
    rows = _shares(corners[..., 1], corners[..., 3], height, samples)  # (N, most, H)
    with without_autocast(features.device):
        features = at_least_float32(features)
        lines = torch.matmul(features, columns.to(features.dtype).mT[:, None])  # (N, C, H, most)
        means = (lines * rows.to(features.dtype).mT[:, None]).sum(2)  # (N, C, most)
    of_images = zip(means.mT, boxes, strict=True)
    return torch.cat([found[: len(own)] for found, own in of_images])


def _shares(start: Tensor, stop: Tensor, size: int, samples: int) -> Tensor:
    """What each of ``size`` pixels has in the mean of the points between start and stop.

    As torchvision's ``bilinear_interpolate``: a point within one pixel of the map is moved onto it,
    one further away counts as zero.

    Args:
        start, stop: (N, P), 0 the middle of the first pixel.

    Returns:
        (N, P, size).
    """
    steps = (torch.arange(samples, device=start.device) + 0.5) / samples
    points = start[..., None] + (stop - start)[..., None] * steps  # (N, P, samples)
    counts = (points >= -1) & (points <= size)
    points = points.clamp(0, size - 1)
    pixels = torch.arange(size, device=start.device)
    near = (1 - (points[..., None] - pixels).abs()).clamp(min=0)  # (N, P, samples, size)
    return (near * counts[..., None]).mean(2)
