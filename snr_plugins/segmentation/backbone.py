"""MMSegmentation's own ResNets with SNR put in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.logging import print_log
from mmseg.models.backbones import ResNet, ResNetV1c
from mmseg.registry import MODELS
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import coverage, find_snr, insert_snr
from snr_plugins.openmmlab.options import check_options
from snr_plugins.segmentation.drn import DRN


class SNRStages:
    """Mixin over a backbone of MMSegmentation's kind: an SNR after each named stage.

    The stages stay children of the same name, so ``init_cfg`` checkpoints load with every
    original key. ``frozen_stages`` freezes a stage, never its SNR: frozen, it could not learn to
    restore anything.

    Args:
        snr_stages: children of the backbone that an SNR follows.
        snr: options of :class:`snr_plugins.nn.SNR`: reduction, gate_bias, eps and gate.
        kwargs: the backbone's own.

    Raises:
        InputError: a stage is unknown, or an option is.
    """

    def __init__(
        self,
        *args: object,
        snr_stages: Sequence[str] = ("layer1", "layer2", "layer3"),
        snr: dict[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)
        name = type(self).__name__
        options = check_options(name, snr)
        example = torch.zeros(1, kwargs.get("in_channels", 3), 64, 64)
        try:
            insert_snr(self, snr_stages, example=example, **options)
        except InputError as error:
            raise InputError(f"{name} snr_stages={snr_stages!r}: {error}") from None
        self._freeze_stages()
        report_coverage(self)

    def _freeze_stages(self) -> None:
        modules = find_snr(self).values()
        wanted = {p: p.requires_grad for snr in modules for p in snr.parameters()}
        super()._freeze_stages()
        for parameter, requires_grad in wanted.items():
            parameter.requires_grad = requires_grad
        for snr in modules:
            snr.train(self.training)


@MODELS.register_module()
class SNRResNet(SNRStages, ResNet):
    """MMSegmentation's ResNet with SNR."""


@MODELS.register_module()
class SNRResNetV1c(SNRStages, ResNetV1c):
    """MMSegmentation's ResNetV1c, the one of its Cityscapes configs, with SNR."""


@MODELS.register_module()
class SNRDRN(SNRStages, DRN):
    """DRN with SNR; its first three residual stages are layer3, layer4 and layer5."""

    def __init__(
        self,
        *args: object,
        snr_stages: Sequence[str] = ("layer3", "layer4", "layer5"),
        **kwargs: object,
    ) -> None:
        super().__init__(*args, snr_stages=snr_stages, **kwargs)


def report_coverage(backbone: nn.Module) -> None:
    """See :func:`snr_plugins.nn.coverage.report_coverage`."""
    coverage.report_coverage(
        backbone,
        lambda level, sentence: print_log(sentence, "current", level),
        "Check that it is made for this depth, width and style, and that init_cfg has the prefix "
        "of its keys",
    )
