"""MMSegmentation's own configs take SNR by the two lines that docs/segmentation.md gives."""

import importlib.util

import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from snr_plugins.nn import find_snr
from tests.segmentation.networks import build, raw_batch

RESNET = """
model = dict(type="SNR{segmentor}", backbone=dict(type="SNR{backbone}"))
"""
ANY = """
model = dict(
    type="SNREncoderDecoder",
    backbone=dict(
        _delete_=True, type="SNRBackbone", backbone=_base_.model.backbone, after={after}
    ),
)
"""
ONE_BLOCK = {"depths": [1, 1, 1, 1], "drop_path_rate": 0.0}
# base config; what is added to it; what makes it small, below `model`
CONFIGS = {
    "PSPNet": (
        "pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py",
        RESNET.format(segmentor="EncoderDecoder", backbone="ResNetV1c"),
        {"backbone.depth": 18, "decode_head.in_channels": 512, "auxiliary_head.in_channels": 256},
    ),
    "PointRend": (
        "point_rend/pointrend_r50_4xb2-80k_cityscapes-512x1024.py",
        RESNET.format(segmentor="CascadeEncoderDecoder", backbone="ResNetV1c"),
        {"backbone.depth": 18, "neck.in_channels": [64, 128, 256, 512]},
    ),
    "UPerNet-Swin": (
        "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
        ANY.format(after=[f"stages.{i}.blocks" for i in range(3)]),
        {f"backbone.backbone.{key}": value for key, value in ONE_BLOCK.items()},
    ),
    "SegFormer": (
        "segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py",
        ANY.format(after=[f"layers.{i}" for i in range(3)]),
        {"backbone.backbone.num_layers": [1, 1, 1, 1]},
    ),
    "Mask2Former": (
        "mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py",
        RESNET.format(segmentor="EncoderDecoder", backbone="ResNet"),
        {
            "backbone.depth": 18,
            "decode_head.in_channels": [64, 128, 256, 512],
            "decode_head.pixel_decoder.encoder.num_layers": 1,
            "decode_head.transformer_decoder.num_layers": 1,
        },
    ),
}


def two_lines(tmp_path, base, lines):
    (tmp_path / "config.py").write_text(
        f'_base_ = "mmseg::{base}"\n'
        'custom_imports = dict(imports=["snr_plugins.segmentation"], allow_failed_imports=False)\n'
        + lines
    )
    return Config.fromfile(tmp_path / "config.py")


def without_downloads(config):
    """No pretrained weights: nothing is fetched."""
    config.pop("init_cfg", None)
    config.pop("pretrained", None)
    for value in list(config.values()):
        if isinstance(value, dict):
            without_downloads(value)


@pytest.mark.parametrize("name", CONFIGS)
def test_trains_a_step_with_the_loss_on_pixels(name, tmp_path):
    if name == "Mask2Former" and not importlib.util.find_spec("mmdet"):
        pytest.skip("Mask2Former's head is MMDetection's, which is not installed")
    base, lines, small = CONFIGS[name]
    config = two_lines(tmp_path, base, lines)
    without_downloads(config.model)
    config.merge_from_dict({f"model.{key}": value for key, value in small.items()})
    config.model.data_preprocessor.size = (64, 64)
    model = revert_sync_batchnorm(build(config.model)).train()
    assert len(find_snr(model.backbone)) == 3
    data = model.data_preprocessor(raw_batch(), True)
    losses = model(**data, mode="loss")
    assert losses["loss_snr_restitution"] > 0 and losses["loss_snr_probe"] > 0
    model.parse_losses(losses)[0].backward()
    for snr in find_snr(model.backbone).values():
        assert all(parameter.grad is not None for parameter in snr.parameters())
        assert snr.norm.weight.grad.abs().sum() > 0


def test_loss_of_tokens_equals_that_of_their_map():
    """By hand: MiT's tokens, row by row, as the map that they are, 16 x 16 of 64 pixels."""
    from snr_plugins.nn import RestitutionLoss, observed
    from tests.segmentation.networks import segmentor

    torch.manual_seed(0)
    mit = {"type": "MixVisionTransformer", "embed_dims": 8, "num_layers": [1, 1, 1, 1]}
    backbone = {"type": "SNRBackbone", "backbone": mit, "after": ["layers.0"]}
    head = {"type": "FCNHead", "in_channels": 64, "in_index": 3, "channels": 8, "num_classes": 5}
    model = build(segmentor(backbone=backbone, decode_head=head)).train()
    (name, snr), *_ = find_snr(model).items()
    seen = []
    images = torch.randn(2, 3, 64, 128)
    with observed({name: snr}, lambda _, observation: seen.append(observation)):
        model.backbone(images)
    assert seen[0].features.shape == (2, 8, 16 * 32, 1) and seen[0].grid(64, 128) == (16, 32)
    labels = torch.randint(0, 5, (2, 1, 64, 128))
    loss = RestitutionLoss(8, 5)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
    got = model.restitution(model.restitution_labels(samples), name, loss, seen[0])
    whole = seen[0]._replace(features=seen[0].features.view(2, 8, 16, 32))
    expected = loss.pixels(whole, labels[:, 0, ::4, ::4], 255)
    torch.testing.assert_close(got, expected)
