"""Detectron2's own ResNet and FPN with SNR put in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone.fpn import FPN, build_resnet_fpn_backbone
from detectron2.modeling.backbone.resnet import build_resnet_backbone
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, coverage, insert_snr


class StageSNR(SNR):
    """SNR as the last child of a Detectron2 ResNet stage.

    ``ResNet.freeze`` (detectron2/modeling/backbone/resnet.py) calls ``freeze()`` on every child of
    the stages up to FREEZE_AT; a frozen SNR could not learn to restore anything.
    """

    def freeze(self) -> StageSNR:
        """Do nothing: FREEZE_AT freezes the stage, never its SNR."""
        return self


@BACKBONE_REGISTRY.register()
def build_snr_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """``build_resnet_backbone`` with an SNR after each of ``MODEL.SNR.STAGES``; for C4 and DC5."""
    if cfg.MODEL.SNR.NECK:
        raise InputError(
            "MODEL.SNR.NECK needs an FPN: set it to False, or MODEL.BACKBONE.NAME to "
            "build_snr_resnet_fpn_backbone"
        )
    backbone = build_resnet_backbone(cfg, input_shape)
    return _insert(cfg, backbone, input_shape, "STAGES", cfg.MODEL.SNR.STAGES)


@BACKBONE_REGISTRY.register()
def build_snr_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """``build_resnet_fpn_backbone`` with an SNR after each of ``MODEL.SNR.STAGES`` and, with
    ``MODEL.SNR.NECK``, after each output convolution of the FPN."""
    fpn: FPN = build_resnet_fpn_backbone(cfg, input_shape)
    _insert(cfg, fpn.bottom_up, input_shape, "STAGES", cfg.MODEL.SNR.STAGES)
    if cfg.MODEL.SNR.NECK:
        outputs = [name for name, _ in fpn.named_children() if name.startswith("fpn_output")]
        _insert(cfg, fpn, input_shape, "NECK", outputs)
    return fpn


def _insert(
    cfg: CfgNode, backbone: nn.Module, input_shape: ShapeSpec, key: str, after: Sequence[str]
) -> nn.Module:
    example = torch.zeros(1, input_shape.channels, 64, 64)
    options = {
        "reduction": cfg.MODEL.SNR.REDUCTION,
        "gate_bias": cfg.MODEL.SNR.GATE_BIAS,
        "gate": cfg.MODEL.SNR.GATE,
    }
    try:
        return insert_snr(backbone, after, example=example, snr=StageSNR, **options)
    except InputError as error:
        raise InputError(f"MODEL.SNR.{key} {list(after)}: {error}") from None


def report_coverage(model: nn.Module) -> None:
    """See :func:`snr_plugins.nn.coverage.report_coverage`. Of an FPN the ``bottom_up`` counts."""
    coverage.report_coverage(
        getattr(model.backbone, "bottom_up", model.backbone),
        logging.getLogger("detectron2.snr_plugins").log,
        "Check that MODEL.WEIGHTS is made for this depth and width; if only the prefix of its keys "
        "differs, as in a bare backbone's file, append ?matching_heuristics=True to the path",
        # FrozenBatchNorm2d does without running statistics
        ignored=("running_mean", "running_var", "num_batches_tracked"),
    )
