"""DeepLabV2Head against hand-built convolutions, and inside MMSegmentation's own loss."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from snr_plugins.errors import InputError
from snr_plugins.segmentation.deeplabv2 import DeepLabV2Head
from snr_plugins.segmentation.drn import DRN

CLASSES = 5


def head(**options):
    torch.manual_seed(0)
    return DeepLabV2Head(in_channels=8, num_classes=CLASSES, **options)


def summed(state, features, dilations):
    """The paper's sum, from the state dict's own weights in order."""
    weights = [value for key, value in state.items() if key.endswith("weight")]
    biases = [value for key, value in state.items() if key.endswith("bias")]
    assert len(weights) == len(biases) == len(dilations)
    return torch.stack(
        [
            F.conv2d(features, weight, bias, padding=dilation, dilation=dilation)
            for weight, bias, dilation in zip(weights, biases, dilations, strict=True)
        ]
    ).sum(0)


@pytest.mark.parametrize(
    ("options", "dilations"),
    [
        ({}, (6, 12, 18, 24)),
        ({"reduced": True}, (6, 12)),
        ({"dilations": (1, 3, 5)}, (1, 3, 5)),
        ({"dilations": (2,), "reduced": True}, (2,)),
    ],
)
def test_is_the_sum_of_dilated_convolutions(options, dilations):
    module = head(**options).train()  # in training too: there is no dropout by default
    features = torch.randn(2, 8, 33, 41)
    scores = module((torch.zeros(2, 3, 66, 82), features))
    assert scores.shape == (2, CLASSES, 33, 41)
    torch.testing.assert_close(scores, summed(module.state_dict(), features, dilations))


def test_initial_weights():
    module = DeepLabV2Head(in_channels=256, num_classes=19)
    module.init_weights()
    for conv in module.conv_seg:
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert conv.weight.mean().item() == pytest.approx(0, abs=5e-4)
        assert torch.count_nonzero(conv.bias) == 0


def test_drops_channels_only_when_asked():
    features = (torch.ones(1, 8, 9, 9),)
    module = head(dropout_ratio=0.5).train()
    assert not torch.equal(module(features), module(features))
    module.eval()
    assert torch.equal(module(features), module(features))


def samples(count, size):
    labels = torch.randint(0, CLASSES, (count, 1, *size))
    labels[:, :, 0] = 255
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


@pytest.mark.parametrize("reduced", [False, True])
def test_every_parameter_learns(reduced):
    module = head(reduced=reduced)
    losses = module.loss((torch.randn(2, 8, 8, 16),), samples(2, (64, 128)), {})
    assert set(losses) == {"loss_ce", "acc_seg"}
    losses["loss_ce"].backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("align_corners", [False, True])
def test_predicts_at_the_size_of_the_image(align_corners):
    module = head(align_corners=align_corners).eval()
    features = torch.randn(1, 8, 8, 16)
    predicted = module.predict((features,), [{"img_shape": (61, 125)}], {})
    scores = summed(module.state_dict(), features, (6, 12, 18, 24))
    expected = F.interpolate(scores, (61, 125), mode="bilinear", align_corners=align_corners)
    torch.testing.assert_close(predicted, expected)


def test_as_decode_and_auxiliary_head_of_a_segmentor():
    widths = {"in_channels": 64, "num_classes": CLASSES}
    segmentor = EncoderDecoder(
        backbone={"type": "DRN", "depth": 22, "base_channels": 2, "out_indices": (5, 6, 8)},
        decode_head={"type": "DeepLabV2Head", **widths},
        auxiliary_head={
            "type": "DeepLabV2Head",
            **{**widths, "in_channels": 32},
            "in_index": 0,
            "loss_decode": {"type": "CrossEntropyLoss", "loss_weight": 0.1},
        },
    )
    assert type(segmentor.backbone) is DRN
    images, truth = torch.randn(2, 3, 32, 64), samples(2, (32, 64))
    losses = segmentor.loss(images, truth)
    fifth = segmentor.backbone(images)[0]
    scores = F.interpolate(segmentor.auxiliary_head([fifth]), (32, 64), mode="bilinear")
    labels = torch.cat([sample.gt_sem_seg.data for sample in truth])
    # MMSegmentation divides by all pixels, the ignored ones among them
    expected = F.cross_entropy(scores, labels, ignore_index=255, reduction="sum") / labels.numel()
    torch.testing.assert_close(losses["aux.loss_ce"], 0.1 * expected)
    (losses["decode.loss_ce"] + losses["aux.loss_ce"]).backward()
    assert [name for name, value in segmentor.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize("dilations", [(), (6, 0)])
def test_wrong_dilations(dilations):
    config = {"type": "DeepLabV2Head", "in_channels": 8, "num_classes": 5, "dilations": dilations}
    with pytest.raises(InputError, match=r"dilations=\[.*\] must be one or more numbers from 1"):
        MODELS.build(config)
