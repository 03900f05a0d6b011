"""What every style layer shares, and instance norm, the plainest of them.

A style layer writes an image's feature map in another style: its channels' means and deviations.
Per sample and channel that is one affine map whose coefficients follow from the map's own mean and
variance. :class:`StyleLayer` measures, and applies the map; a layer is the (N, C) algebra between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.nn.affine import Affine, Coefficients, applied, normalised, statistics
from snr_plugins.nn.fused import restyle


class Observation(NamedTuple):
    """What a forward shows to the restitution loss: the input (N, C, H, W) itself, no copy of it,
    and the coefficients of the three features. Of tokens the input is (N, C, L, 1)."""

    features: Tensor
    coefficients: Coefficients

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the features of an image of ``height`` x ``width``.

        Those of the map; of tokens, which lie row by row, the two whose product is L and whose
        ratio is nearest to the image's.
        """
        rows, columns = self.features.shape[2:]
        if columns > 1:
            return rows, columns
        pairs = [(r, rows // r) for r in range(1, rows + 1) if rows % r == 0]
        return min(pairs, key=lambda pair: abs(math.log(pair[0] * width / (pair[1] * height))))


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
    needs_rows = False  # whether it looks at a pixel's neighbours, which tokens do not say
    in_blocks = False  # whether insert_layer puts it inside the stage's blocks, not after the stage

    def __init__(self, channels: int, inplace: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.inplace = inplace
        self.stride: float | None = None  # pixels of the image per pixel of the map; by insertion
        # by insertion, of what the stage puts out:
        self.channels_last = False  # (N, H, W, C), or tokens (N, L, C)
        self.prefix = 0  # leading tokens that are no pixels: of a class, registers
        self.observer: Callable[[Observation], None] | None = None  # see observed

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        """Scale and centre, (N, C) each, from spatial mean and biased variance, (N, C) each."""
        raise NotImplementedError

    def observed_coefficients(self, features: Tensor, mean: Tensor, var: Tensor) -> Affine:
        """``coefficients``, and a call of ``observer``; for layers that a loss observes."""
        raise NotImplementedError

    def acts(self, features: Tensor) -> bool:
        """Whether this forward restyles what the stage puts out, or hands back the input."""
        return True

    def forward(self, features: Tensor) -> Tensor:
        if not self.acts(features):
            return features
        out = self._restyled(self.as_map(features))
        if not self.channels_last:
            return out
        if features.dim() == 4:
            return out.permute(0, 2, 3, 1)
        tokens = out.squeeze(3).transpose(1, 2)
        return tokens if self.prefix == 0 else torch.cat([features[:, : self.prefix], tokens], 1)

    def as_map(self, features: Tensor) -> Tensor:
        """What the stage puts out as a view (N, C, H, W); (N, C, L, 1) of tokens.

        A style is the same for any order of the pixels, so tokens need no rows and columns.
        """
        if not self.channels_last:
            return features
        if features.dim() == 4:
            return features.permute(0, 3, 1, 2)
        return features[:, self.prefix :].transpose(1, 2).unsqueeze(3)

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


class StyleLayers(nn.ModuleDict):
    """A style layer for each map of the list or tuple that a stage puts out, by its index."""

    def forward(self, outputs: Any) -> Any:
        restyled = list(outputs)
        for index, layer in self.items():
            restyled[int(index)] = layer(restyled[int(index)])
        return type(outputs)(restyled)


def apply_child(child: str, module: nn.Module, inputs: tuple, output: Any) -> Any:
    """A forward hook, once ``child`` is given: the dotted name, below the module, of its layer."""
    return module.get_submodule(child)(output)
