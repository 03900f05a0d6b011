"""MMSegmentation's own ways to ask a network about an image, with every shipped config."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from PIL import Image

from tests.segmentation.streets import CONFIGS

SOME = ("deeplabv2_r101_gta5", "deeplabv3_r50_gta5", "deeplabv3plus_r50_gta5", "drn_d_105_synthia")
SOME = (*SOME, "fcn_thin_r50_camvid")  # each head and backbone, each kind of dataset
PATHS = [
    pytest.param(
        path,
        id=path.stem,
        marks=() if path.stem.removesuffix("_snr") in SOME else pytest.mark.slow,
    )
    for path in sorted(CONFIGS.glob("*.py"))
]


def shrunk(path: Path) -> Config:
    """The config with a backbone of a sixteenth of its channels, on small images."""
    config = Config.fromfile(path)
    model = config.model
    if "DRN" in model.backbone.type:
        model.backbone.update(depth=22, base_channels=4)
        model.decode_head.channels = 128
    else:
        model.backbone.update(depth=18, base_channels=16, stem_channels=16)
    model.decode_head.in_channels = 128
    if model.get("auxiliary_head"):
        model.auxiliary_head.in_channels = 64
    if "c1_in_channels" in model.decode_head:
        model.decode_head.c1_in_channels = 16
    for pipeline in (config.test_pipeline, config.test_dataloader.dataset.pipeline):
        pipeline[1].scale = (64, 48)
    return config


@pytest.mark.parametrize("path", PATHS)
def test_inference(path, tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (48, 64, 3), np.uint8)
    image = tmp_path / "frame.png"
    Image.fromarray(pixels).save(image)
    torch.manual_seed(0)
    model = init_model(shrunk(path), device="cpu")
    names = [f"class {i}" for i in range(model.num_classes)]
    meta = {"classes": names, "palette": rng.integers(0, 255, (len(names), 3)).tolist()}
    weights = tmp_path / "weights.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {"dataset_meta": meta}}, weights)

    model = init_model(shrunk(path), str(weights), device="cpu")
    of_file = inference_model(model, str(image))
    of_array = inference_model(model, pixels[..., ::-1])  # BGR
    inferencer = MMSegInferencer(shrunk(path), str(weights), device="cpu")
    drawn = inferencer(str(image), out_dir=str(tmp_path / "out"))
    logits = of_file.seg_logits.data
    assert logits.shape == (len(names), 48, 64)
    assert logits.std() > 0
    torch.testing.assert_close(of_array.seg_logits.data, logits)
    np.testing.assert_array_equal(drawn["predictions"], logits.argmax(0))
    assert Image.open(tmp_path / "out" / "vis" / "frame.png").size == (64, 48)
