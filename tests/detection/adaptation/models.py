"""Small detectors from the adaptation configs, and batches of two domains."""

from __future__ import annotations

import torch
from detectron2.modeling import build_model
from torch import nn

from tests.detection.test_models import CONFIGS, batch, config

C4 = CONFIGS + "faster_rcnn_R_50_C4_cityscapes_to_foggy"
FPN = CONFIGS + "faster_rcnn_R_50_FPN_cityscapes_to_foggy"


def model_of(path: str, *overrides: object) -> nn.Module:
    """In training mode, without dropout; few RoIs, and features of about 1.

    Its norms are frozen at the identity, so that maps of random weights grow from block to block.
    """
    torch.manual_seed(0)
    cfg = config(f"{path}.yaml", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16, *overrides)
    model = build_model(cfg).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    stem = getattr(model.backbone, "bottom_up", model.backbone).stem.conv1
    with torch.no_grad():
        maps = model.eval().backbone(model.preprocess_image(source()).tensor)
        stem.weight /= max(float(x.std()) for x in maps.values())
    return model.train()


def source() -> list[dict]:
    """Two images of different size with boxes."""
    with torch.random.fork_rng():  # a test seeds what is drawn behind this
        return [{**x, "domain": "source"} for x in batch()]


def target() -> list[dict]:
    """Two other images of one more size, darker."""
    generator = torch.Generator().manual_seed(5)
    sizes = ((112, 96), (100, 144))
    images = [90 * torch.rand(3, *size, generator=generator) for size in sizes]
    return [{"image": image, "domain": "target"} for image in images]


def mixed() -> list[dict]:
    """A batch as the loader makes it."""
    return [x for pair in zip(source(), target(), strict=True) for x in pair]


def gradients(model: nn.Module) -> dict[str, torch.Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
