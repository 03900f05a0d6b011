"""Classifiers that tell source from target, and the losses of Domain Adaptive Faster R-CNN.

Chen, Li, Sakaridis, Dai, Van Gool: Domain Adaptive Faster R-CNN for Object Detection in the Wild,
CVPR 2018; widths, starts and factors are those of the PyTorch code that SNR's release is built on.

They learn to tell the domains apart, while what they look at learns the opposite: its gradient is
reversed. Where neither wins, a classifier's loss is log 2 = 0.693 and half of it is right.

Shapes: images N, RoIs R, feature channels C, levels of a feature pyramid L.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import at_least_float32
from snr_plugins.nn.gradient_scale import scale_gradient

SOURCE, TARGET = 1.0, 0.0


class DomainClassifier(nn.Module):
    """``network`` on features whose gradient is scaled apart from the network's own.

    Args:
        network: from features to one logit each, positive for the source.
        lr_factor: of the network's gradient, and so, but for weight decay, of its learning rate.

    Raises:
        InputError: ``lr_factor`` is not above 0.
    """

    def __init__(self, network: nn.Module, lr_factor: float = 1.0) -> None:
        super().__init__()
        if not lr_factor > 0:
            raise InputError(
                f"the learning-rate factor of a domain classifier is {lr_factor} and must be above "
                "0; to leave the classifier out set the weight of its loss to 0"
            )
        self.network = network
        self.lr_factor = lr_factor

    def forward(self, features: Tensor, factor: float) -> Tensor:
        """Logits; the features' gradient is multiplied by ``factor``, negative to reverse it."""
        logits = self.network(scale_gradient(features, factor / self.lr_factor))
        return scale_gradient(logits, self.lr_factor)


def image_classifier(channels: int, hidden: int = 512, lr_factor: float = 1.0) -> DomainClassifier:
    """A logit at each location: (N, C, H, W) to (N, 1, H, W)."""
    network = nn.Sequential(
        nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, 1, 1)
    )
    _start(network, (0.001, 0.001))
    return DomainClassifier(network, lr_factor)


def instance_classifier(
    channels: int, hidden: int = 1024, dropout: float = 0.5, lr_factor: float = 1.0
) -> DomainClassifier:
    """A logit for each RoI's vector: (R, C) to (R, 1)."""
    network = nn.Sequential(
        *(nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        *(nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout)),
        nn.Linear(hidden, 1),
    )
    _start(network, (0.01, 0.01, 0.05))
    return DomainClassifier(network, lr_factor)


def _start(network: nn.Sequential, deviations: Sequence[float]) -> None:
    layers = [layer for layer in network if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer, deviation in zip(layers, deviations, strict=True):
        nn.init.normal_(layer.weight, std=deviation)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def within_image(logits: Tensor, sizes: Sequence[tuple[int, int]], stride: float) -> list[Tensor]:
    """Of each image the logits (N, 1, H, W) at locations inside it, flat; padding is left out.

    Args:
        logits: of a batch that is padded to one size.
        sizes: (height, width) in pixels of each image.
        stride: pixels per location.
    """
    return [
        image[:, : -int(-height // stride), : -int(-width // stride)].flatten()
        for image, (height, width) in zip(logits, sizes, strict=True)
    ]


def domain_loss(logits: Sequence[Tensor], domain: float) -> Tensor:
    """Mean over images of the mean cross-entropy of each image's logits with its domain.

    Args:
        logits: of each image, flat; an image without any counts as 0.
        domain: ``SOURCE`` or ``TARGET``.
    """
    losses = [
        F.binary_cross_entropy_with_logits(x, torch.full_like(x, domain)) if len(x) else x.sum()
        for x in map(at_least_float32, logits)
    ]
    return torch.stack(losses).mean()


def consistency_loss(image: Sequence[Sequence[Tensor]], instance: Sequence[Tensor]) -> Tensor:
    """How far the two classifiers disagree.

    The mean, over RoIs, of the absolute difference of its probability and its image's mean one.

    The paper's squared distance is the absolute one in its codes; nothing is detached.

    Args:
        image: for each of L levels, the logits of each image, flat.
        instance: the logits of each image's RoIs, flat.
    """
    differences = [
        (at_least_float32(x).sigmoid().mean() - at_least_float32(rois).sigmoid()).abs()
        for level in image
        for x, rois in zip(level, instance, strict=True)
    ]
    disagreement = torch.cat(differences)
    return disagreement.mean() if len(disagreement) else disagreement.sum()


@torch.no_grad()
def accuracy(logits: Sequence[Tensor], domain: float) -> Tensor:
    """Share of the logits that are right about the domain; half where there is none."""
    flat = torch.cat([x.flatten() for x in logits])
    right = (flat > 0) == (domain == SOURCE)
    return right.float().mean() if len(flat) else flat.new_tensor(0.5)
