"""What each style layer did to its images: styles before and after, gates, residuals, distances."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import Affine, applied, statistics
from snr_plugins.nn.snr import SNR
from snr_plugins.nn.spatial import SpatialSNR
from snr_plugins.nn.style import StyleLayer, find_layers


class StyleRecord(NamedTuple):
    """One pass of a style layer over N images.

    ``features`` is a copy of what came in, (N, C, H, W); ``mean`` and ``var`` are its spatial mean
    and biased variance, (N, C) each; ``restyled`` is the layer's map of it. Of an SNR, and None of
    any other layer: ``normalised``, the map to F~, and ``gate``, (N, C), the gate times the trust.
    ``distance``, (N,), is d / t of an SNR with trust, see :func:`snr_plugins.nn.style_distances`.
    """

    features: Tensor
    mean: Tensor
    var: Tensor
    restyled: Affine
    normalised: Affine | None = None
    gate: Tensor | None = None
    distance: Tensor | None = None

    def deviations(self) -> tuple[Tensor, Tensor]:
        """The channels' spatial deviations before and after, (N, C) each."""
        before = self.var.sqrt()
        return before, self.restyled.scale.abs() * before

    def output(self) -> Tensor:
        """What the layer put out, (N, C, H, W)."""
        return applied(self.features, self.mean, self.restyled)

    def residuals(self) -> tuple[Tensor, Tensor]:
        """R+ = a R, which SNR put back, and R- = (1 - a) R, which it kept out; (N, C, H, W) each.

        Raises:
            InputError: the layer is no SNR.
        """
        if self.normalised is None:
            raise InputError("R+ and R- are of SNR alone: this layer has no gate")
        enhanced = self.output()
        normalised = applied(self.features, self.mean, self.normalised)
        return enhanced - normalised, self.features - enhanced


@contextlib.contextmanager
def recorded_styles(model: nn.Module) -> Iterator[dict[str, list[StyleRecord]]]:
    """Within this block each style layer of ``model`` notes what it does, under its dotted name.

    For looking at a trained network: in evaluation, without autograd, a few images at a time, since
    every record keeps a feature map.

    Raises:
        InputError: at once, if the model has no style layer, or one that is no affine map of each
            channel; in a forward, if it is in training, where its statistics would move.

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"]).eval()
        >>> with recorded_styles(net) as records:
        ...     out = net(torch.rand(2, 3, 16, 16))
        >>> (seen,) = records["0.snr"]
        >>> torch.allclose(seen.output(), out, atol=1e-6)
        True
        >>> tuple(seen.gate.shape), [tuple(r.shape) for r in seen.residuals()]
        ((2, 16), [(2, 16, 14, 14), (2, 16, 14, 14)])
    """
    layers = find_layers(model)
    if not layers:
        raise InputError(f"{type(model).__name__} has no style layer: put one in by insert_snr")
    for name, layer in layers.items():
        if isinstance(layer, SpatialSNR):
            raise InputError(
                f"{name} is a SpatialSNR, whose gate over positions no record of channels shows: "
                "look at a network with SNR or another layer"
            )
    noted: dict[str, list[StyleRecord]] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        assert isinstance(layer, StyleLayer)
        if layer.training:
            raise InputError(f"{name} is in training: call eval() on the model before looking")
        features = layer.as_map(inputs[0].detach())
        if layer.acts(features):
            # a copy: the layer may write into its input
            noted.setdefault(name, []).append(_record(layer, features.clone()))

    hooks = [
        layer.register_forward_pre_hook(partial(note, name))  # before an in-place layer has written
        for name, layer in layers.items()
    ]
    try:
        yield noted
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _record(layer: StyleLayer, features: Tensor) -> StyleRecord:
    mean, var = statistics(features)
    plain = StyleRecord(features, mean, var, _detached(layer.coefficients(mean, var)))
    if not isinstance(layer, SNR):
        return plain
    trust = layer.trust
    return plain._replace(
        normalised=_detached(layer.normalised(var)),
        gate=layer.opened(mean, var),
        distance=None if trust is None else trust.relative_distance(mean, var),
    )


def _detached(affine: Affine) -> Affine:
    """Even without autograd an expanded parameter requires a gradient."""
    return Affine(affine.scale.detach(), affine.centre.detach())
