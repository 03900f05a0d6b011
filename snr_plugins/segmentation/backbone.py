"""MMSegmentation's own ResNets and our DRN with SNR put in: the short way to SNRBackbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmseg.models.backbones import ResNet, ResNetV1c
from mmseg.registry import MODELS

from snr_plugins.nn import find_layers
from snr_plugins.openmmlab.backbone import put_in
from snr_plugins.segmentation.drn import DRN

if TYPE_CHECKING:
    from mmseg.models.backbones import ResNet as Backbone  # what the mixin may ask for
else:
    Backbone = object


class SNRStages(Backbone):
    """Mixin over a backbone of MMSegmentation's kind: an SNR after each named stage.

    The stages stay children of the same name, so ``init_cfg`` checkpoints load with every original
    key. ``frozen_stages`` freezes a stage, never its SNR: frozen, it could not learn to restore
    anything.

    Args:
        snr_stages: children of the backbone that an SNR follows.
        snr_layer: in SNR's place, another name of :data:`snr_plugins.nn.LAYERS`.
        snr: the layer's options; of an SNR reduction, gate_bias, eps, gate, trust.
        kwargs: the backbone's own.

    Raises:
        InputError: a stage is unknown, or an option is.
    """

    def __init__(
        self,
        *args: Any,
        snr_stages: Sequence[str] = ("layer1", "layer2", "layer3"),
        snr_layer: str = "snr",
        snr: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        owner = f"{type(self).__name__} snr_stages"
        put_in(self, snr_stages, snr_layer, snr or {}, owner, kwargs.get("in_channels", 3))

    def _freeze_stages(self) -> None:
        modules = find_layers(self).values()
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
        *args: Any,
        snr_stages: Sequence[str] = ("layer3", "layer4", "layer5"),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, snr_stages=snr_stages, **kwargs)
