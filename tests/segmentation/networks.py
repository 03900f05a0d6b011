"""Configs of segmentors of a few channels, and a batch as a data loader hands it over."""

from __future__ import annotations

import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

import snr_plugins.segmentation  # noqa: F401  registers

CLASSES, SIZE = 5, 64
WIDTHS = [16, 32, 64, 128]  # of the features of BACKBONE, at the strides 4, 8, 16 and 32
# at the default 16 a stage of 16 channels has one hidden channel, often dead
SNR = {"reduction": 4}
RESNET = {"type": "ResNet", "depth": 18, "base_channels": 16, "stem_channels": 16}
BACKBONE = {**RESNET, "type": "SNRResNet", "snr": SNR}
DRN = {"depth": 22, "base_channels": 4, "out_indices": (3, 4, 5, 8)}
HEAD = {
    "type": "FCNHead",
    "in_channels": 128,
    "in_index": 3,
    "channels": 16,
    "num_convs": 1,
    "num_classes": CLASSES,
    "norm_cfg": {"type": "BN"},
}
PREPROCESSOR = {
    "type": "SegDataPreProcessor",
    "mean": [120.0, 110.0, 100.0],
    "std": [60.0, 50.0, 70.0],
    "bgr_to_rgb": True,
    "size": (SIZE, SIZE),
    "seg_pad_val": 255,
}


def build(config: dict, seed: int = 0) -> nn.Module:
    """Built through MMEngine's registry in MMSegmentation's scope, as by its runner."""
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope("mmseg"):
        return MODELS.build(ConfigDict(config))


def segmentor(**changes: object) -> dict:
    return {
        "type": "SNREncoderDecoder",
        "data_preprocessor": PREPROCESSOR,
        "backbone": BACKBONE,
        "decode_head": HEAD,
        "test_cfg": {"mode": "whole"},
        **changes,
    }


def randomise_norms(network: nn.Module) -> nn.Module:
    """Batch norms as after training: a fresh one hides which statistics it uses."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.normal_(0.3, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network


def images(count: int = 2) -> torch.Tensor:
    torch.manual_seed(3)
    return torch.randn(count, 3, SIZE, SIZE)


def samples(count: int = 2, void: int = 255) -> list[SegDataSample]:
    """Random classes; the upper rows are void."""
    torch.manual_seed(4)
    labels = torch.randint(0, CLASSES, (count, 1, SIZE, SIZE))
    labels[:, :, :10] = void
    return [
        SegDataSample(
            gt_sem_seg=PixelData(data=label),
            metainfo={"img_shape": (SIZE, SIZE), "ori_shape": (SIZE, SIZE)},
        )
        for label in labels
    ]


def raw_batch(count: int = 2) -> dict:
    """What `PackSegInputs` and the collate function give: 8 bit images and samples."""
    torch.manual_seed(5)
    pixels = torch.randint(0, 256, (count, 3, SIZE, SIZE), dtype=torch.uint8)
    return {"inputs": list(pixels), "data_samples": samples(count)}
