"""Style layers by name: what a config may put after a stage, or into its blocks."""

from __future__ import annotations

import inspect
from typing import Any

from snr_plugins.errors import InputError
from snr_plugins.nn.ibn import IBNa, IBNb
from snr_plugins.nn.random_styles import DSU, MixStyle, NormalisationPerturbation
from snr_plugins.nn.snr import SNR
from snr_plugins.nn.spatial import SpatialSNR
from snr_plugins.nn.style import InstanceNorm, StyleLayer

LAYERS: dict[str, type[StyleLayer]] = {
    "snr": SNR,
    "snr_spatial_channel": SpatialSNR,
    "instance_norm": InstanceNorm,  # what SNR is without its gate
    "ibn_a": IBNa,
    "ibn_b": IBNb,
    "mixstyle": MixStyle,  # this one and the next two in training alone
    "dsu": DSU,
    "normalisation_perturbation": NormalisationPerturbation,
}


def layer_options(kind: str) -> dict[str, object]:
    """Options of a layer that a config may set, with their defaults; from its own signature.

    ``channels`` and ``inplace`` are the insertion's.

    Raises:
        InputError: there is no such layer.
    """
    parameters = inspect.signature(_layer_class(kind)).parameters
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in ("channels", "inplace")
    }


def check_options(owner: str, kind: str, options: dict[str, Any]) -> None:
    """Make sure that ``options`` are of the layer called ``kind``.

    Raises:
        InputError: there is no such layer or option; named with its ``owner``.
    """
    try:
        known = layer_options(kind)
    except InputError as error:
        raise InputError(f"{owner}: {error}") from None
    unknown = sorted(options.keys() - known.keys())
    if unknown:
        raise InputError(
            f"{owner}: {kind} has no option '{unknown[0]}'; choose from: {', '.join(known)}"
        )


def create_layer(kind: str, channels: int, **options: Any) -> StyleLayer:
    """The layer called ``kind``, one of :data:`LAYERS`, for (N, ``channels``, H, W).

    Raises:
        InputError: there is no such layer or option, or an option does not fit ``channels``.

    Example:
        >>> import torch
        >>> layer = create_layer("instance_norm", 2)  # gamma 1, beta 0
        >>> layer(torch.tensor([[[[1.0, 3.0]], [[10.0, 30.0]]]])).round(decimals=2)
        tensor([[[[-1.,  1.]],
        <BLANKLINE>
                 [[-1.,  1.]]]], grad_fn=<RoundBackward1>)
        >>> layer_options("snr_spatial_channel")
        {'reduction': 16, 'gate_bias': 0.0, 'eps': 1e-05}
    """
    layer = _layer_class(kind)
    check_options("create_layer", kind, {k: v for k, v in options.items() if k != "inplace"})
    return layer(channels, **options)


def _layer_class(kind: str) -> type[StyleLayer]:
    if kind not in LAYERS:
        raise InputError(f"there is no style layer '{kind}'; choose from: {', '.join(LAYERS)}")
    return LAYERS[kind]
