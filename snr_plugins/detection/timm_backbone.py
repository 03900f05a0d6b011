"""Any network of timm as a Detectron2 backbone, plain or with SNR, with an FPN on it."""

from __future__ import annotations

import math
from typing import Any

from detectron2.config import CfgNode
from detectron2.layers import FrozenBatchNorm2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.stages import module_of_stride


class TimmBackbone(Backbone):
    """A timm network whose features have the names of a ResNet's: ``res2`` of stride 4, ``res3`` of
    8, and so on.

    Its modules are below ``body``, as ``timm.create_model(..., features_only=True)`` names them.

    Args:
        name: of timm, such as "convnext_tiny".
        pretrained: take timm's weights, which are downloaded at first use.
        in_channels: of the images.
        frozen_bn: batch norms use the statistics that they have, as Detectron2's own backbones do;
            for pretrained weights and a few images on each GPU.
        options: more arguments of ``timm.create_model``.

    Raises:
        InputError: timm is not installed, has no such network, or one with no features of strides
            that double.
    """

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        in_channels: int = 3,
        frozen_bn: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        self.body = body = _create(name, pretrained, in_channels, options)
        if frozen_bn:
            _freeze_batch_norms(body)
        channels, strides = body.feature_info.channels(), body.feature_info.reduction()
        names = [_feature(stride) for stride in strides]
        if len(set(names)) < len(names):
            raise InputError(
                f"MODEL.TIMM.NAME: {name} has features of strides {strides}, and an FPN needs one "
                "for each of 4, 8, 16 ...; choose a network with stages"
            )
        self._names = names
        self._out_features = [name for name in names if name >= "res2"]
        self._out_feature_channels = dict(zip(names, channels, strict=True))
        self._out_feature_strides = dict(zip(names, strides, strict=True))
        self._channels_last = str(getattr(body, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, C, H, W) to a map (N, C, H / stride, W / stride) of each feature."""
        maps = dict(zip(self._names, self.body(images), strict=True))
        if self._channels_last:
            maps = {name: x.permute(0, 3, 1, 2).contiguous() for name, x in maps.items()}
        return {name: maps[name] for name in self._out_features}

    def stage(self, name: str) -> str:
        """The module that puts a feature out, below this one; other names as they are."""
        if name not in self._out_feature_strides:
            return name
        return "body." + module_of_stride(self.body, self._out_feature_strides[name])


def _create(name: str, pretrained: bool, in_channels: int, options: dict[str, Any]) -> nn.Module:
    try:
        import timm
    except ImportError:
        raise InputError("MODEL.TIMM.NAME: timm is not installed; pip install timm") from None
    if not timm.is_model(name.partition(".")[0]):
        raise InputError(
            f"MODEL.TIMM.NAME: timm {timm.__version__} has no network '{name}'; "
            "timm.list_models() has their names"
        )
    return timm.create_model(
        name, pretrained=pretrained, features_only=True, in_chans=in_channels, **options
    )


def _freeze_batch_norms(body: nn.Module) -> None:
    """As Detectron2 does; those that have their activation inside, by timm's means, to keep it."""
    from timm.layers.norm_act import BatchNormAct2d, freeze_batch_norm_2d

    for parent in list(body.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BatchNormAct2d):
                parent.add_module(name, freeze_batch_norm_2d(child))
    FrozenBatchNorm2d.convert_frozen_batchnorm(body)


def _feature(stride: int) -> str:
    return f"res{round(math.log2(stride))}"


@BACKBONE_REGISTRY.register()
def build_timm_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """An FPN on the network that ``MODEL.TIMM.NAME`` names; for ``build_snr_timm_fpn_backbone``
    too, which puts ``MODEL.SNR.LAYER`` after the stages that put out ``MODEL.SNR.STAGES``."""
    keys = cfg.MODEL.TIMM
    bottom_up = TimmBackbone(
        keys.NAME,
        keys.PRETRAINED,
        input_shape.channels,
        keys.FROZEN_BN,
        **{name.lower(): value for name, value in keys.OPTIONS.items()},
    )
    fpn = cfg.MODEL.FPN
    absent = [name for name in fpn.IN_FEATURES if name not in bottom_up.output_shape()]
    if absent:
        known = ", ".join(bottom_up.output_shape())
        raise InputError(
            f"MODEL.FPN.IN_FEATURES: {keys.NAME} has no {absent[0]}; choose from: {known}"
        )
    return FPN(
        bottom_up=bottom_up,
        in_features=fpn.IN_FEATURES,
        out_channels=fpn.OUT_CHANNELS,
        norm=fpn.NORM,
        top_block=LastLevelMaxPool(),
        fuse_type=fpn.FUSE_TYPE,
    )
