"""Any backbone of any OpenMMLab package with a style layer put in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.registry import MODELS
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import find_layers, insert_layer
from snr_plugins.nn.coverage import CoverageReport
from snr_plugins.nn.shapes import SIZES


@MODELS.register_module(name="SNRBackbone")
def build_snr_backbone(
    backbone: dict,
    after: Sequence[str],
    layer: str = "snr",
    pretrained: str | None = None,
    **options: Any,
) -> nn.Module:
    """The backbone that ``backbone`` describes, with a style layer after each stage of ``after``.

    ``backbone=dict(type="SNRBackbone", backbone=dict(type="MobileNetV2"), after=["layer2"])``. What
    comes back is that very backbone, of its own class and with its own keys, so that its
    ``init_cfg`` and other checkpoints load as before. To freeze a layer in a frozen stage, give it
    a learning rate of 0: as parameters they are kept trainable.

    Args:
        backbone: config of a backbone of the current scope, such as mmseg's.
        after: children of it, dotted names, that a layer follows.
        layer: "snr" or another name of :data:`snr_plugins.nn.LAYERS`.
        pretrained: of the backbone; where a model's config has it, mmseg hands it on to this one.
        options: the layer's own, such as ``reduction``.

    Raises:
        InputError: a stage or an option is unknown.
    """
    in_channels = backbone.get("in_channels", 3)
    owner = "SNRBackbone after"
    if pretrained is not None:
        backbone = {**backbone, "pretrained": pretrained}
    built = put_in(MODELS.build(backbone), after, layer, options, owner, in_channels)
    built.register_forward_pre_hook(_keep_trainable)
    return built


def put_in(
    backbone: nn.Module,
    after: Sequence[str],
    layer: str,
    options: dict[str, Any],
    owner: str,
    in_channels: int,
) -> nn.Module:
    """Insert, and report from now on what a checkpoint covers.

    Args:
        backbone: changed in place, and returned.
        after, layer, options: of :func:`snr_plugins.nn.insert_layer`.
        owner: what the sentence of an error begins with, before ``=[stages]``.
        in_channels: of the images, as the config says; a backbone's attribute of that name may
            mean another thing (MobileNetV2's is its last block's).
    """
    example = None if in_channels == 3 else torch.zeros(1, in_channels, *SIZES[0])
    try:
        insert_layer(backbone, after, layer, example=example, **options)
    except InputError as error:
        raise InputError(f"{owner}={after!r}: {error}") from None
    CoverageReport(
        _log,
        "Check that it is made for this depth, width and style, and that init_cfg has the prefix "
        "of its keys",
    ).attach(backbone)
    return backbone


def _keep_trainable(backbone: nn.Module, inputs: tuple) -> None:
    """``frozen_stages`` freezes a stage, never its style layer, which could not learn otherwise.

    Backbones freeze whatever lies in a stage each time that ``train()`` is called
    (``_freeze_stages`` in mmseg/models/backbones/resnet.py); nothing but a step comes after that.
    """
    if backbone.training:
        for layer in find_layers(backbone).values():
            layer.train().requires_grad_(True)


def _log(level: int, sentence: str) -> None:
    print_log(sentence, "current", level)
