"""Segmentors of a few channels that are trained on two domains, and a batch for them."""

from __future__ import annotations

import torch
from mmseg.structures import SegDataSample

from tests.segmentation.networks import BACKBONE, HEAD, PREPROCESSOR, RESNET, SIZE, samples

METHODS = ("MaxSquare", "MCD", "MeanTeacher")
AUXILIARY = {
    **HEAD,
    "in_channels": 64,
    "in_index": 2,
    "loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.4},
}


def adapting(method: str, snr: bool = False, **changes: object) -> dict:
    """Config of a segmentor of a method; no dropout, so that a step can be computed again."""
    return {
        "type": f"{'SNR' if snr else ''}{method}EncoderDecoder",
        "data_preprocessor": {**PREPROCESSOR, "type": "SourceTargetPreProcessor"},
        "backbone": BACKBONE if snr else RESNET,
        "decode_head": {**HEAD, "dropout_ratio": 0},
        "auxiliary_head": {**AUXILIARY, "dropout_ratio": 0},
        "test_cfg": {"mode": "whole"},
        **changes,
    }


def mixed_batch(pairs: int = 2, width: int = SIZE) -> dict:
    """As the loader gives it: source, target, source, target; the target is ``width`` wide."""
    torch.manual_seed(6)
    images, labelled = [], samples(pairs)
    mixed = []
    for sample in labelled:
        images.append(torch.randint(0, 256, (3, SIZE, SIZE), dtype=torch.uint8))
        images.append(torch.randint(0, 160, (3, SIZE, width), dtype=torch.uint8))
        sample.set_metainfo({"is_target": False})
        mixed += [sample, SegDataSample(metainfo={"is_target": True, "ori_shape": (SIZE, width)})]
    return {"inputs": images, "data_samples": mixed}


def processed(model: torch.nn.Module, batch: dict | None = None) -> tuple[dict, dict]:
    """Inputs and samples of a batch, each of both domains."""
    data = model.data_preprocessor(batch or mixed_batch(), True)
    return data["inputs"], data["data_samples"]
