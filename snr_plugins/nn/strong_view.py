"""What a student sees of an image whose pseudo-labels were made from the image as it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LUMA = (0.299, 0.587, 0.114)  # of red, green, blue; ITU-R BT.601


class StrongView(nn.Module):
    """Colours and sharpness of each image drawn anew; nothing moves, so its labels stay right.

    In this order brightness, contrast (around the image's mean), saturation (around its grey), each
    by a factor from 1 - strength to 1 + strength, a factor for each colour from 1 - tint to
    1 + tint, and, for one image in two, a Gaussian blur of a deviation up to ``blur`` pixels.

    Args:
        strength: from 0 to below 1.
        tint: from 0 to below 1.
        blur: largest deviation in pixels; 0 for none.
    """

    def __init__(self, strength: float = 0.5, tint: float = 0.1, blur: float = 1.5) -> None:
        super().__init__()
        self.strength = strength
        self.tint = tint
        self.blur = blur

    def forward(self, images: Tensor, bgr: bool = False) -> Tensor:
        """(N, 3, H, W) in 0 to 255, of the same shape.

        Args:
            images: red, green and blue, or the other way round with ``bgr``.
        """
        count = len(images)
        luma = images.new_tensor(LUMA[::-1] if bgr else LUMA).view(1, 3, 1, 1)

        def factor(spread: float, channels: int = 1) -> Tensor:
            return 1 + spread * (2 * torch.rand(count, channels, 1, 1, device=images.device) - 1)

        view = images * factor(self.strength)
        mean = view.mean(dim=(1, 2, 3), keepdim=True)
        view = mean + (view - mean) * factor(self.strength)
        grey = (view * luma).sum(dim=1, keepdim=True)
        view = grey + (view - grey) * factor(self.strength)
        view = (view * factor(self.tint, 3)).clamp(0, 255)
        deviations = self.blur * torch.rand(count, device=images.device)
        blurred = torch.rand(count, device=images.device) < 0.5
        return torch.stack(
            [
                gaussian_blur(image, float(deviation)) if flag and deviation > 0 else image
                for image, deviation, flag in zip(view, deviations, blurred, strict=True)
            ]
        )


def gaussian_blur(image: Tensor, deviation: float) -> Tensor:
    """An image (C, H, W) blurred by ``deviation`` pixels; beyond its edges it is repeated."""
    radius = int(3 * deviation + 0.5)
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    weights = torch.softmax(-offsets.square() / (2 * deviation**2), dim=0)
    padded = F.pad(image[:, None], (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(padded, weights.view(1, 1, 1, -1))
    return F.conv2d(across, weights.view(1, 1, -1, 1)).squeeze(1)
