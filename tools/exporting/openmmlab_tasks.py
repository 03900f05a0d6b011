"""Networks of MMEngine's packages: segmentors, classifiers, what runs in ``mode="tensor"``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn
from weights import check_weights

from exporting.task import MapTask, without_loss
from snr_plugins.errors import InputError
from snr_plugins.nn import style_distances
from snr_plugins.nn.teacher import answering
from snr_plugins.openmmlab.launch import load_config

# What MMSegmentation's, MMPretrain's and MMEngine's preprocessors call "RGB and BGR change places"
SWAPS = ("channel_conversion", "to_rgb", "_channel_conversion")


def raw_outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """Logits: of pixels at the image's own size, or of images."""
    if hasattr(model, "encode_decode"):  # a segmentor; sliding windows are the caller's
        return model.encode_decode(inputs, [{"img_shape": inputs.shape[2:]}])
    return model(inputs, mode="tensor")


class Logits(nn.Module):
    """Pixels (N, 3, H, W) as OpenCV reads them to logits (N, K, ...)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        preprocessor = model.data_preprocessor
        self.swap = any(getattr(preprocessor, name, False) for name in SWAPS)
        if hasattr(preprocessor, "mean"):
            self.register_buffer("mean", preprocessor.mean.clone())
            self.register_buffer("std", preprocessor.std.clone())

    def forward(self, image: Tensor) -> Tensor:
        if self.swap:
            image = image.flip(1)
        if hasattr(self, "mean"):
            image = (image - self.mean) / self.std
        return raw_outputs(self.model, image)


class LogitsTask(MapTask):
    """See `exporting.task.Task`."""

    def __init__(self, model: nn.Module, style_distance: bool) -> None:
        self.model = model
        super().__init__(Logits(model), ["logits"], "BGR", style_distance)

    @torch.no_grad()
    def expected(self, example: Tensor) -> Sequence[Tensor]:
        batch = self.model.data_preprocessor({"inputs": list(example)}, training=False)["inputs"]
        with style_distances(self.model) as distances:
            outputs = [raw_outputs(self.model, batch)]
        if "style_distance" in self.signature.outputs:
            outputs.append(torch.stack([passes[0] for passes in distances.values()], 1))
        return outputs


def open_logits(config: Path, checkpoint: Path | None, style_distance: bool) -> LogitsTask:
    """
    Raises:
        InputError: one of the files is at fault.
    """
    cfg = load_config(str(config))
    init_default_scope(cfg.get("default_scope", "mmengine"))
    model = MODELS.build(cfg.model).eval()
    weights = str(checkpoint) if checkpoint is not None else cfg.load_from
    if weights is None:
        raise InputError(f"{config} names no weights (load_from); name a checkpoint in its place")
    check_weights(model, weights, load_checkpoint(model, weights, map_location="cpu"))
    return LogitsTask(without_loss(answering(model)), style_distance)
