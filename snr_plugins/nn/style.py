"""What every style layer shares, and instance norm, the plainest of them.

A style layer writes an image's feature map in another style: its channels' means and deviations.
Per sample and channel that is one affine map whose coefficients follow from the map's own mean and
variance. :class:`StyleLayer` measures, and applies the map; a layer is the (N, C) algebra between.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn.affine import Affine, Coefficients, applied, normalised, statistics
from snr_plugins.nn.fused import restyle


class Observation(NamedTuple):
    """What a forward shows to the restitution loss: the input (N, C, H, W) itself, no copy of it,
    and the coefficients of the three features."""

    features: Tensor
    coefficients: Coefficients


class StyleLayer(nn.Module):
    """Maps (N, C, H, W) to ``scale * (F - mean) + centre`` of the same shape and dtype.

    One walk over the map for the statistics, one for a multiply-add, and two more in the backward,
    which keeps the input alone (:mod:`snr_plugins.nn.fused`). Differentiable once. A layer gives
    ``coefficients``; it is scripted, traced, compiled and exported as that formula.

    Args:
        channels: C.
        inplace: where autograd is off, overwrite the input, as ``nn.ReLU(inplace=True)`` does.
            For inputs that nobody else reads; saves a map of memory and the time to touch it.
    """

    child_name = "style"  # what insert_layer calls it below its stage
    in_blocks = False  # whether insert_layer puts it inside the stage's blocks, not after the stage

    def __init__(self, channels: int, inplace: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.inplace = inplace
        self.stride: float | None = None  # pixels of the image per pixel of the map; by insertion
        self.channels_last = False  # maps are (N, H, W, C); by insertion
        self.observer: Callable[[Observation], None] | None = None  # see observed

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        """Scale and centre, (N, C) each, from spatial mean and biased variance, (N, C) each."""
        raise NotImplementedError

    def observed_coefficients(self, features: Tensor, mean: Tensor, var: Tensor) -> Affine:
        """``coefficients``, and a call of ``observer``; for layers that a loss observes."""
        raise NotImplementedError

    def acts(self, features: Tensor) -> bool:
        """Whether this forward restyles (N, C, H, W) or (N, H, W, C), or hands back the input."""
        return True

    def forward(self, features: Tensor) -> Tensor:
        if not self.acts(features):
            return features
        if self.channels_last:
            return self._restyled(features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self._restyled(features)

    def _restyled(self, features: Tensor) -> Tensor:
        # an `if` of its own, so that TorchScript does not read what is inside
        if not torch.jit.is_scripting():
            if self.observer is not None:
                return restyle(features, partial(self.observed_coefficients, features))
            return restyle(features, self.coefficients, self.inplace)
        mean, var = statistics(features)
        return applied(features, mean, self.coefficients(mean, var))

    def freeze(self) -> StyleLayer:
        """Do nothing: Detectron2's FREEZE_AT freezes the stage, never its style layer.

        ``ResNet.freeze`` (detectron2/modeling/backbone/resnet.py) calls ``freeze()`` on every child
        of the stages up to FREEZE_AT; a frozen SNR could not learn to restore anything.
        """
        return self

    def extra_repr(self) -> str:
        return f"channels={self.channels}"


class InstanceNorm(StyleLayer):
    """Instance norm: F~ = gamma (F - mu) / sqrt(var + eps) + beta.

    Args:
        channels: C.
        eps: added to the variance.
        inplace: see :class:`StyleLayer`.
    """

    def __init__(self, channels: int, eps: float = 1e-5, inplace: bool = False) -> None:
        super().__init__(channels, inplace)
        # Used for its parameters only; being an InstanceNorm2d, the frameworks' optimizers give
        # them the weight decay and learning rate of norm layers.
        self.norm = nn.InstanceNorm2d(channels, eps=eps, affine=True)
        self.eps = eps

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        return self.normalised(var)

    def normalised(self, var: Tensor) -> Affine:
        """F~ for the biased variance (N, C)."""
        return normalised(var, self.norm.weight, self.norm.bias, self.eps)

    def extra_repr(self) -> str:
        return f"channels={self.channels}, eps={self.eps}"


def find_layers(model: nn.Module) -> dict[str, StyleLayer]:
    """Every style layer inside ``model`` by its dotted name, in registration order."""
    return {name: m for name, m in model.named_modules() if isinstance(m, StyleLayer)}


def apply_child(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    """A forward hook for a module that is no ``nn.Sequential``: its style layer on its output."""
    return next(child for child in module.children() if isinstance(child, StyleLayer))(output)
