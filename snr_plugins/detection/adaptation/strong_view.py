"""The student's view of an image: colours strongly changed, parts erased, boxes in place."""

from __future__ import annotations

import torch
from torch import Tensor

from snr_plugins.detection.photometric import BRIGHTNESS, CONTRAST, SATURATION

ERASED = 3  # rectangles
# Sides of a rectangle as shares of the image's.
SHARE = (0.05, 0.2)


def strong_view(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (3, H, W) with values from 0 to 255, photometrically changed; a float32 copy.

    Brightness, contrast and saturation as by `snr_plugins.detection.photometric`, then ``ERASED``
    rectangles filled with the image's mean. Made here and not by the loader, which the launchers
    build: it has one view of each image, the teacher's.

    Args:
        image: as the loader has it.
        generator: on the CPU; the same state gives the same view.
    """

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    x = image.float() * uniform(*BRIGHTNESS)
    mean = x.mean()
    x = mean + uniform(*CONTRAST) * (x - mean)
    grey = x.mean(dim=0, keepdim=True)
    x = grey + uniform(*SATURATION) * (x - grey)
    x = x.clamp(0, 255)
    height, width = x.shape[-2:]
    fill = x.mean(dim=(1, 2))[:, None, None]
    for _ in range(ERASED):
        rows, columns = (max(1, int(uniform(*SHARE) * side)) for side in (height, width))
        top, left = int(uniform(0, height - rows)), int(uniform(0, width - columns))
        x[:, top : top + rows, left : left + columns] = fill
    return x
