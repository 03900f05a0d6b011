"""SNR on any tuple of features, and SNR as a plug-in layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR
from snr_plugins.nn.layers import check_options


@MODELS.register_module(name="SNR")
class SNRLayer(SNR):
    """SNR as mmcv builds plug-in layers, ``plugins=[dict(cfg=dict(type='SNR'), ...)]``.

    Of a ResNet that is inside the residual branch; for the method's own place, after a stage, take
    SNRBackbone.

    Args:
        in_channels: C.
        options: of :class:`snr_plugins.nn.SNR`.
    """

    _abbr_ = "snr"

    def __init__(self, in_channels: int, **options: Any) -> None:
        super().__init__(in_channels, **options)


@MODELS.register_module()
class SNRNeck(BaseModule):
    """An SNR on each chosen feature of a backbone's tuple; the others pass unchanged.

    For backbones whose stages cannot take an SNR themselves. Alone, or before another neck:
    ``neck=[dict(type='SNRNeck', ...), dict(type='FPN', ...)]``.

    Args:
        in_channels: channels of every feature, shallow to deep.
        in_indices: features that an SNR works on; all by default. Name those that a head reads: the
            others get no gradient, which distributed training refuses.
        snr: options of :class:`snr_plugins.nn.SNR`.
        init_cfg: MMEngine's.

    Raises:
        InputError: an index has no feature, or the tuple's length is not ``in_channels``'.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        in_indices: Sequence[int] | None = None,
        snr: dict[str, Any] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = tuple(in_channels)
        indices = range(len(self.in_channels)) if in_indices is None else in_indices
        unknown = [i for i in indices if not 0 <= i < len(self.in_channels)]
        if unknown:
            raise InputError(
                f"SNRNeck in_indices={list(indices)}: no feature {unknown[0]}; in_channels "
                f"lists {len(self.in_channels)}, so choose from 0 to {len(self.in_channels) - 1}"
            )
        options = dict(snr or {})
        check_options(f"SNRNeck snr={options}", "snr", options)
        self.snr = nn.ModuleDict({str(i): SNR(self.in_channels[i], **options) for i in indices})

    def forward(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """``features``: one (N, C, H, W) tensor per entry of ``in_channels``."""
        channels = tuple(x.shape[1] for x in features)
        if channels != self.in_channels:
            raise InputError(
                f"SNRNeck in_channels={list(self.in_channels)}: the backbone puts out "
                f"{list(channels)} channels; set in_channels to that"
            )
        return tuple(
            self.snr[str(i)](x) if str(i) in self.snr else x for i, x in enumerate(features)
        )
