"""Any of Detectron2's registered backbones with a style layer put in."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY, Backbone
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn import Shape, create_layer, insert_layer, layer_options
from snr_plugins.nn.coverage import CoverageReport

LOGGER = "detectron2.snr_plugins"


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


def _build(cfg: CfgNode, input_shape: ShapeSpec, builder: str) -> Backbone:
    if builder not in BACKBONE_REGISTRY or builder.startswith("build_snr_"):
        known = sorted(name for name, _ in BACKBONE_REGISTRY if not name.startswith("build_snr_"))
        raise InputError(f"MODEL.SNR.BACKBONE: '{builder}'; choose from: {', '.join(known)}")
    _warn_without_loss(cfg)
    backbone = BACKBONE_REGISTRY.get(builder)(cfg, input_shape)
    bottom_up = getattr(backbone, "bottom_up", backbone)  # of an FPN
    _insert(cfg, bottom_up, "STAGES", cfg.MODEL.SNR.STAGES)
    if cfg.MODEL.SNR.NECK:
        outputs = [name for name, _ in backbone.named_children() if name.startswith("fpn_output")]
        if not outputs:
            raise InputError(
                "MODEL.SNR.NECK needs an FPN: set it to False, or MODEL.BACKBONE.NAME to "
                "build_snr_resnet_fpn_backbone"
            )
        _insert(cfg, backbone, "NECK", outputs)
    return backbone


def layer_config(cfg: CfgNode) -> tuple[str, dict[str, object]]:
    """Name and options of the layer that ``MODEL.SNR`` describes."""
    kind = cfg.MODEL.SNR.LAYER
    return kind, {name: cfg.MODEL.SNR[name.upper()] for name in layer_options(kind)}


def _insert(cfg: CfgNode, backbone: nn.Module, key: str, after: Sequence[str]) -> None:
    """Behind children of these names; behind the outputs of these names where there is no child."""
    children = dict(backbone.named_children())
    shapes = _declared_shapes(backbone)
    outputs = [name for name in after if name not in children and name in shapes]
    stages = [name for name in after if name not in outputs]
    try:
        kind, options = layer_config(cfg)
        insert_layer(backbone, stages, kind, shapes=shapes, **options)
        if outputs:
            layers = OutputLayers(
                {name: create_layer(kind, shapes[name].channels, **options) for name in outputs}
            )
            for name in outputs:
                layers[name].stride = shapes[name].stride
            backbone.add_module(layers[outputs[0]].child_name, layers)
            backbone.register_forward_hook(_restyle_outputs)
    except InputError as error:
        raise InputError(f"MODEL.SNR.{key} {list(after)}: {error}") from None


def _declared_shapes(backbone: nn.Module) -> dict[str, Shape]:
    """Channels and strides of the features that a backbone declares.

    Also of stages that are not put out: ``output_shape()`` leaves those away, the tables that it
    reads (detectron2/modeling/backbone/backbone.py) have them. So nothing has to be run, and a
    network with operators that the CPU lacks, deformable convolutions for one, is built there.
    """
    channels = getattr(backbone, "_out_feature_channels", {})
    strides = getattr(backbone, "_out_feature_strides", {})
    shapes = {name: Shape(channels[name], strides.get(name)) for name in channels}
    # the convolutions that FPN puts its levels out with; p6 and p7 come after them
    return shapes | {
        f"fpn_output{name[1:]}": shape
        for name, shape in shapes.items()
        if hasattr(backbone, f"fpn_output{name[1:]}")
    }


class OutputLayers(nn.ModuleDict):
    """Style layers on a backbone's outputs, by their names.

    For backbones whose stages hand on something else than a feature map, such as Swin's tokens: the
    neck sees the restyled features, the next stage the plain ones.
    """


def _restyle_outputs(
    backbone: nn.Module, inputs: tuple, outputs: dict[str, Tensor]
) -> dict[str, Tensor]:
    layers = next(child for child in backbone.children() if isinstance(child, OutputLayers))
    return {name: layers[name](x) if name in layers else x for name, x in outputs.items()}


def _warn_without_loss(cfg: CfgNode) -> None:
    snr, name = cfg.MODEL.SNR, cfg.MODEL.META_ARCHITECTURE
    detector = META_ARCH_REGISTRY.get(name) if name in META_ARCH_REGISTRY else None
    if detector is None or hasattr(detector, "restitution_on_boxes"):
        return
    if snr.LOSS_WEIGHT > 0 or snr.PROBE_WEIGHT > 0 or snr.CALIBRATE:
        logging.getLogger(LOGGER).warning(
            "MODEL.META_ARCHITECTURE %s trains this SNR without the restitution loss and without "
            "the calibrated start: set it to SNRGeneralizedRCNN; or, if that is meant, "
            "MODEL.SNR.LOSS_WEIGHT and PROBE_WEIGHT to 0.0 and MODEL.SNR.CALIBRATE to False",
            name,
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
