"""DRN against a functional textbook form, the authors' key names and the published sizes."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, find_snr, insert_snr
from snr_plugins.segmentation.drn import DRN

# Yu et al.: blocks of layer3 to layer6, and convolutions of a block with their kernel sizes
BLOCKS = {22: (2, 2, 2, 2), 38: (3, 4, 6, 3), 54: (3, 4, 6, 3), 105: (3, 4, 23, 3)}
KERNELS = {22: (3, 3), 38: (3, 3), 54: (1, 3, 1), 105: (1, 3, 1)}
PUBLISHED_MILLIONS = {22: 16.4, 38: 26.5, 54: 35.8, 105: 54.8}  # README of github.com/fyu/drn


def expected_shapes(depth, base=16):
    """Key to shape of every convolution, and key to width of every norm, by hand."""
    convs, norms = {}, {}

    def conv_norm(conv, norm, outputs, inputs, kernel):
        convs[f"{conv}.weight"] = (outputs, inputs, kernel, kernel)
        norms[norm] = outputs

    def plain(layer, outputs, inputs, kernel=3):
        conv_norm(f"{layer}.0", f"{layer}.1", outputs, inputs, kernel)

    kernels = KERNELS[depth]
    expansion = 4 if len(kernels) == 3 else 1
    plain("layer0", base, 3, 7)
    plain("layer1", base, base)
    plain("layer2", 2 * base, base)
    inputs = 2 * base
    for layer, (count, factor) in enumerate(zip(BLOCKS[depth], (4, 8, 16, 32), strict=True), 3):
        width = factor * base
        outputs = width * expansion
        for block in range(count):
            name = f"layer{layer}.{block}"
            between = [inputs, *[width] * (len(kernels) - 1), outputs]
            for i, kernel in enumerate(kernels, 1):
                conv_norm(f"{name}.conv{i}", f"{name}.bn{i}", between[i], between[i - 1], kernel)
            if block == 0:
                conv_norm(f"{name}.downsample.0", f"{name}.downsample.1", outputs, inputs, 1)
            inputs = outputs
    plain("layer7", 32 * base, inputs)
    plain("layer8", 32 * base, 32 * base)
    return convs, norms


@pytest.mark.parametrize("depth", [22, 38, 54, 105])
def test_keys_shapes_and_published_size(depth):
    with torch.device("meta"):
        drn = DRN(depth)
    shapes = {key: tuple(value.shape) for key, value in drn.state_dict().items()}
    convs, norms = expected_shapes(depth)
    expected = dict(convs)
    for norm, width in norms.items():
        for name in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{norm}.{name}"] = (width,)
        expected[f"{norm}.num_batches_tracked"] = ()
    assert shapes == expected
    parameters = sum(parameter.numel() for parameter in drn.parameters())
    by_hand = sum(o * i * k * k for o, i, k, _ in convs.values()) + 2 * sum(norms.values())
    assert parameters == by_hand
    classifier = 512 * 1000 + 1000
    assert round((parameters + classifier) / 1e6, 1) == PUBLISHED_MILLIONS[depth]


def textbook(state, x, depth):
    """Layer number to feature, written with F.conv2d on the authors' names."""

    def conv_norm(x, conv, norm, stride=1, dilation=1):
        weight = state[f"{conv}.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        x = F.conv2d(x, weight, None, stride, padding, dilation)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{norm}.{name}"] for name in names))

    features = {}
    for layer in range(9):
        stride = 2 if layer in (2, 3, 4) else 1
        dilation = {5: 2, 6: 4, 7: 2}.get(layer, 1)
        if layer not in (3, 4, 5, 6):
            x = conv_norm(x, f"layer{layer}.0", f"layer{layer}.1", stride, dilation).relu()
        for block in range(BLOCKS[depth][layer - 3] if layer in (3, 4, 5, 6) else 0):
            name = f"layer{layer}.{block}"
            strided = KERNELS[depth].index(3) + 1  # the first 3x3 takes the stride
            out = x
            for i, kernel in enumerate(KERNELS[depth], 1):
                out = out.relu() if i > 1 else out
                step = stride if block == 0 and i == strided else 1
                spread = dilation if kernel == 3 else 1
                out = conv_norm(out, f"{name}.conv{i}", f"{name}.bn{i}", step, spread)
            if block == 0:
                x = conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
            x = (out + x).relu()
        features[layer] = x
    return features


def randomise_norms(drn):
    for module in drn.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.normal_(tensor, 0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return drn


@pytest.mark.parametrize("depth", [22, 38, 54])
def test_equals_the_textbook_form(depth):
    torch.manual_seed(0)
    drn = DRN(depth, base_channels=2, out_indices=(3, 4, 5, 6, 7, 8)).double()
    drn = randomise_norms(drn).eval()
    images = torch.randn(1, 3, 40, 56, dtype=torch.float64)
    with torch.no_grad():
        outputs = drn(images)
        expected = textbook(drn.state_dict(), images, depth)
    for layer, output in zip(range(3, 9), outputs, strict=True):
        torch.testing.assert_close(output, expected[layer])


def test_shapes_of_the_default_outputs():
    drn = DRN(105, base_channels=2).eval()
    with torch.no_grad():
        shapes = [tuple(output.shape) for output in drn(torch.randn(2, 3, 64, 96))]
    assert shapes == [(2, 32, 16, 24), (2, 64, 8, 12), (2, 128, 8, 12), (2, 64, 8, 12)]


@pytest.mark.parametrize("depth", [22, 105])
def test_dilations_and_strides_of_the_convolutions(depth):
    drn = DRN(depth, base_channels=1)
    for layer, dilation in enumerate((1, 1, 1, 1, 1, 2, 4, 2, 1)):
        convs = [m for m in getattr(drn, f"layer{layer}").modules() if isinstance(m, nn.Conv2d)]
        spatial = [conv for conv in convs if conv.kernel_size != (1, 1)]
        assert {conv.dilation for conv in spatial} == {(dilation, dilation)}, layer
        assert [conv.stride for conv in spatial[1:]] == [(1, 1)] * (len(spatial) - 1)
        assert spatial[0].stride == ((2, 2) if layer in (2, 3, 4) else (1, 1))
        assert not any(conv.bias is not None for conv in convs)


def test_initial_weights():
    drn = DRN(22)
    nn.init.zeros_(drn.layer8[1].weight)
    drn.init_weights()
    conv = drn.layer6[1].conv2.weight  # He et al.: variance 2 / (9 x outputs)
    assert conv.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    assert torch.equal(drn.layer8[1].weight, torch.ones(512))


def test_loads_a_checkpoint_of_the_authors(tmp_path):
    source = randomise_norms(DRN(54, base_channels=2))
    checkpoint = {**source.state_dict(), "fc.weight": torch.zeros(9, 64, 1, 1)}
    torch.save(checkpoint, tmp_path / "drn.pth")
    pretrained = {"type": "Pretrained", "checkpoint": str(tmp_path / "drn.pth")}
    drn = DRN(54, base_channels=2, init_cfg=pretrained)
    drn.init_weights()
    for key, value in drn.state_dict().items():
        assert torch.equal(value, checkpoint[key]), key


def trained_layers(drn):
    """Layers with a parameter to train, and layers whose batch norm is in training."""
    layers = dict(drn.named_children())
    learn = [n for n, m in layers.items() if any(p.requires_grad for p in m.parameters())]
    norms = [
        name
        for name, layer in layers.items()
        if any(m.training for m in layer.modules() if isinstance(m, nn.BatchNorm2d))
    ]
    return learn, norms


@pytest.mark.parametrize("frozen_stages", [-1, 0, 3, 8])
def test_frozen_stages(frozen_stages):
    drn = DRN(22, base_channels=2, frozen_stages=frozen_stages)
    free = [f"layer{index}" for index in range(frozen_stages + 1, 9)]
    assert trained_layers(drn) == (free, free)
    assert drn.eval().train() is drn
    assert trained_layers(drn) == (free, free)
    for parameter in drn.parameters():  # as a careless hook might
        parameter.requires_grad_(True)
    assert trained_layers(drn.train()) == (free, free)


def test_norm_eval_keeps_the_statistics():
    drn = DRN(22, base_channels=2, norm_eval=True).train()
    assert trained_layers(drn) == ([f"layer{index}" for index in range(9)], [])
    assert drn.training and drn.layer3.training


def test_insertion_keeps_keys_and_runs_where_it_was_put():
    drn = randomise_norms(DRN(22, base_channels=4, out_indices=(3, 4, 5))).eval()
    before = drn.state_dict()
    images = torch.randn(1, 3, 32, 32)
    plain_third = drn(images)[0]
    insert_snr(drn, ("layer3", "layer4", "layer5"))
    assert list(find_snr(drn)) == ["layer3.snr", "layer4.snr", "layer5.snr"]
    after = drn.state_dict()
    assert [key for key in after if ".snr." not in key] == list(before)
    third, fourth, _ = drn(images)
    expected = drn.layer3.snr(plain_third)
    torch.testing.assert_close(third, expected)
    torch.testing.assert_close(fourth, drn.layer4(expected))


def test_a_subclass_can_refine_the_freezing():
    class FrozenAroundSNR(DRN):
        def _freeze_stages(self):
            super()._freeze_stages()
            for snr in find_snr(self).values():
                snr.train(self.training).requires_grad_(True)

    drn = FrozenAroundSNR(22, base_channels=4, frozen_stages=8)
    insert_snr(drn, ("layer3",)).train()
    learning = [name for name, value in drn.named_parameters() if value.requires_grad]
    assert learning == [f"layer3.snr.{name}" for name, _ in SNR(16).named_parameters()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 50}, r"no depth 50; choose from \[22, 38, 54, 105\]"),
        ({"out_indices": ()}, r"out_indices=\[\] must name"),
        ({"out_indices": (2, 4)}, r"layers from 3 to 8"),
        ({"out_indices": (4, 9)}, r"layers from 3 to 8"),
        ({"out_indices": (8, 4)}, "ascending"),
        ({"out_indices": (4, 4)}, "ascending"),
        ({"frozen_stages": 9}, "frozen_stages=9 must be from -1"),
        ({"frozen_stages": -2}, "frozen_stages=-2 must be from -1"),
    ],
)
def test_wrong_input(options, message):
    with pytest.raises(InputError, match=message):
        MODELS.build({"type": "DRN", "depth": 22, "base_channels": 2, **options})
