"""Any of Detectron2's registered backbones with a style layer put in."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY, Backbone
from torch import Tensor, nn

from snr_plugins.detection.timm_backbone import TimmBackbone
from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, Shape, create_layer, insert_layer, layer_options
from snr_plugins.nn.coverage import CoverageReport

LOGGER = "detectron2.snr_plugins"
OUTPUTS = "snr_outputs"  # child of a backbone whose outputs, not stages, have layers


@BACKBONE_REGISTRY.register()
def build_snr_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """The backbone that ``MODEL.SNR.BACKBONE`` names, with ``MODEL.SNR.LAYER`` after each of
    ``MODEL.SNR.STAGES`` and, with ``MODEL.SNR.NECK``, after each output convolution of its FPN."""
    return _build(cfg, input_shape, cfg.MODEL.SNR.BACKBONE)


@BACKBONE_REGISTRY.register()
def build_snr_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """`build_snr_backbone` of ``build_resnet_backbone``; for C4 and DC5."""
    return _build(cfg, input_shape, "build_resnet_backbone")


@BACKBONE_REGISTRY.register()
def build_snr_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """`build_snr_backbone` of ``build_resnet_fpn_backbone``."""
    return _build(cfg, input_shape, "build_resnet_fpn_backbone")


@BACKBONE_REGISTRY.register()
def build_snr_retinanet_resnet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """`build_snr_backbone` of ``build_retinanet_resnet_fpn_backbone``."""
    return _build(cfg, input_shape, "build_retinanet_resnet_fpn_backbone")


@BACKBONE_REGISTRY.register()
def build_snr_timm_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """`build_snr_backbone` of ``build_timm_fpn_backbone``."""
    return _build(cfg, input_shape, "build_timm_fpn_backbone")


def _build(cfg: CfgNode, input_shape: ShapeSpec, builder: str) -> Backbone:
    if builder not in BACKBONE_REGISTRY or builder.startswith("build_snr_"):
        known = sorted(name for name, _ in BACKBONE_REGISTRY if not name.startswith("build_snr_"))
        raise InputError(f"MODEL.SNR.BACKBONE: '{builder}'; choose from: {', '.join(known)}")
    _warn_without_loss(cfg)
    backbone = BACKBONE_REGISTRY.get(builder)(cfg, input_shape)
    snr = cfg.MODEL.SNR
    key = "LAYER:"
    try:
        options = {name: snr[name.upper()] for name in layer_options(snr.LAYER)}
        key = f"STAGES {list(snr.STAGES)}:"
        put_in(backbone, snr.STAGES, snr.LAYER, **options)
        if snr.NECK:
            key = "NECK"
            _put_in_neck(backbone, snr.LAYER, **options)
    except InputError as error:
        raise InputError(f"MODEL.SNR.{key} {error}") from None
    return backbone


def put_in(
    backbone: nn.Module, after: Sequence[str], layer: str = "snr", **options: Any
) -> nn.Module:
    """Put a style layer into a backbone of Detectron2's kind, in place, and return it.

    ``L(put_in)(backbone=..., after=["res2", "res3", "res4"])`` in a LazyConfig.

    Args:
        backbone: a ``Backbone``; of one with a ``bottom_up``, such as an FPN, that is meant.
        after: its children; or, where no child has that name, names of its outputs, for backbones
            whose stages hand on something else than a feature map: the neck then sees the restyled
            features, the next stage the plain ones.
        layer, options: of `snr_plugins.nn.insert_layer`.

    Raises:
        InputError: as `snr_plugins.nn.insert_layer`.
    """
    bottom_up = getattr(backbone, "bottom_up", backbone)
    if isinstance(bottom_up, TimmBackbone):  # its features are known by the names of a ResNet's
        after = [bottom_up.stage(name) for name in after]
    children = dict(bottom_up.named_children())
    shapes = _declared_shapes(bottom_up)
    # what lives in a stage's blocks cannot follow an output: insert_layer says so
    in_blocks = layer in LAYERS and LAYERS[layer].in_blocks
    outputs = [n for n in after if n not in children and n in shapes and not in_blocks]
    stages = [name for name in after if name not in outputs]
    insert_layer(bottom_up, stages, layer, shapes=shapes, **options)
    if outputs:
        layers = nn.ModuleDict()
        for name in outputs:
            layers[name] = create_layer(layer, shapes[name].channels, **options)
            layers[name].stride = shapes[name].stride
        bottom_up.add_module(OUTPUTS, layers)
        bottom_up.register_forward_hook(_restyle_outputs)
    return backbone


def _put_in_neck(fpn: nn.Module, layer: str, **options: Any) -> None:
    levels = {name.removeprefix("p"): name for name in fpn.output_shape()}  # "3": "p3"
    convolutions = [name for name, _ in fpn.named_children() if name.startswith("fpn_output")]
    if not convolutions:
        raise InputError(
            "needs an FPN: set it to False, or MODEL.BACKBONE.NAME to build_snr_resnet_fpn_backbone"
        )
    declared = _declared_shapes(fpn)
    shapes = {name: declared[levels[name.removeprefix("fpn_output")]] for name in convolutions}
    insert_layer(fpn, convolutions, layer, shapes=shapes, **options)


def _declared_shapes(backbone: nn.Module) -> dict[str, Shape]:
    """Channels and strides of the features that a backbone declares.

    Also of stages that are not put out: ``output_shape()`` leaves those away, the tables that it
    reads (detectron2/modeling/backbone/backbone.py) have them. So nothing has to be run, and a
    network with operators that the CPU lacks, deformable convolutions for one, is built there.
    """
    channels = getattr(backbone, "_out_feature_channels", {})
    strides = getattr(backbone, "_out_feature_strides", {})
    return {name: Shape(channels[name], strides.get(name)) for name in channels}


def _restyle_outputs(
    backbone: nn.Module, inputs: tuple, outputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    layers = getattr(backbone, OUTPUTS)
    return {name: layers[name](x) if name in layers else x for name, x in outputs.items()}


def _warn_without_loss(cfg: CfgNode) -> None:
    snr, name = cfg.MODEL.SNR, cfg.MODEL.META_ARCHITECTURE
    detector = META_ARCH_REGISTRY.get(name) if name in META_ARCH_REGISTRY else None
    if detector is None or hasattr(detector, "restitution_on_boxes"):
        return
    if snr.LOSS_WEIGHT > 0 or snr.PROBE_WEIGHT > 0 or snr.CALIBRATE:
        logging.getLogger(LOGGER).warning(
            "MODEL.META_ARCHITECTURE %s trains this SNR without the restitution loss and without "
            "the calibrated start: set it to %s; or, if that is meant, "
            "MODEL.SNR.LOSS_WEIGHT and PROBE_WEIGHT to 0.0 and MODEL.SNR.CALIBRATE to False",
            name,
            f"SNR{name}" if f"SNR{name}" in META_ARCH_REGISTRY else "SNRGeneralizedRCNN",
        )


def report_coverage(model: nn.Module) -> None:
    """See `snr_plugins.nn.coverage.CoverageReport`. Of an FPN the ``bottom_up`` counts."""
    CoverageReport(
        _log,
        "Check that MODEL.WEIGHTS is made for this depth and width; if only the prefix of its keys "
        "differs, as in a bare backbone's file, append ?matching_heuristics=True to the path",
        # FrozenBatchNorm2d does without running statistics
        ignored=("running_mean", "running_var", "num_batches_tracked"),
    ).attach(getattr(model.backbone, "bottom_up", model.backbone))


def _log(level: int, sentence: str) -> None:
    logging.getLogger(LOGGER).log(level, sentence)
