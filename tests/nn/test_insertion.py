"""insert_snr on ResNets, on other backbones, and on wrong input."""

import copy

import pytest
import torch
import torchvision
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, Shape, find_layers, find_snr, insert_layer, insert_snr


def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None)


def test_appends_a_child_and_keeps_pretrained_keys():
    backbone = resnet()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert insert_snr(backbone, after=("layer1", "layer2")) is backbone
    after = backbone.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert list(find_snr(backbone)) == ["layer1.snr", "layer2.snr"]
    assert backbone.layer2.snr.norm.num_features == 128
    assert {key.split(".snr.")[0] for key in after if key not in before} == {"layer1", "layer2"}


def test_runs_where_it_was_put():
    plain, backbone = resnet().eval(), resnet().eval()
    insert_snr(backbone, after=["layer1"])
    x = torch.randn(2, 3, 32, 32)
    stem = plain.maxpool(plain.relu(plain.bn1(plain.conv1(x))))
    expected = backbone.layer1.snr(plain.layer1(stem))
    seen = []
    backbone.layer2.register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    backbone(x)
    torch.testing.assert_close(seen[0], expected)


def test_dry_run_leaves_no_trace():
    backbone = resnet().train()
    backbone.layer1.eval()
    before = copy.deepcopy(backbone.state_dict())
    insert_snr(backbone, after=["layer3"])
    assert backbone.training and not backbone.layer1.training
    assert backbone.layer3.snr.training
    for key, value in before.items():
        assert torch.equal(backbone.state_dict()[key], value), key


class Block(nn.Module):
    """A stage with a forward of its own, so nothing can simply be appended."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)

    def forward(self, x):
        return torch.relu(self.conv(x))


def test_stage_that_is_not_sequential_takes_a_hook():
    backbone = nn.Sequential()
    backbone.add_module("stem", Block())
    x = torch.randn(1, 3, 16, 16)
    plain = backbone(x)
    insert_snr(backbone, after=["stem"])
    torch.testing.assert_close(backbone(x), backbone.stem.snr(plain))
    copied = copy.deepcopy(backbone)
    with torch.no_grad():
        copied.stem.snr.norm.bias.fill_(5.0)
    assert not torch.allclose(copied(x), backbone(x))  # the copy runs its own SNR


def test_mobilenet_by_dotted_name_and_options():
    backbone = torchvision.models.mobilenet_v2(weights=None)
    insert_snr(backbone, after=["features.3"], reduction=4, gate_bias=2.0)
    snr = backbone.features[3].snr
    assert snr.norm.num_features == 24
    assert snr.gate.fc1.out_features == 6
    assert torch.equal(snr.gate.fc2.bias, torch.full((24,), 2.0))


def test_device_and_dtype_follow_the_stage():
    backbone = resnet().double()
    insert_snr(backbone, after=["layer1"])
    assert backbone.layer1.snr.norm.weight.dtype == torch.float64


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (["layer9"], "no stage 'layer9'.*layer1, layer2, layer3, layer4"),
        (["layer1.7"], r"no stage 'layer1\.7'; choose from: layer1\.0, layer1\.1"),
        (["layer1", "layer1"], "named twice"),
        ("layer1", "must be a list"),
        (["fc"], "does not put out one"),
    ],
)
def test_wrong_stage(after, message):
    backbone = resnet()
    with pytest.raises(InputError, match=message):
        insert_snr(backbone, after=after)
    assert not find_snr(backbone)


def test_second_insertion_is_refused():
    backbone = insert_snr(resnet(), after=["layer1"])
    with pytest.raises(InputError, match="'layer1' already has a style layer"):
        insert_snr(backbone, after=["layer2", "layer1"])
    assert list(find_snr(backbone)) == ["layer1.snr"]


def test_error_on_a_later_stage_changes_nothing():
    backbone = nn.Sequential()
    backbone.add_module("wide", nn.Sequential(nn.Conv2d(3, 16, 1)))
    backbone.add_module("flat", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    with pytest.raises(InputError, match="stage 'flat' does not put out one feature map"):
        insert_snr(backbone, after=["wide", "flat"])
    assert not find_snr(backbone)


def test_scripts_inside_a_sequential_stage():
    backbone = insert_snr(resnet().eval(), after=["layer1"])
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(torch.jit.script(backbone)(x), backbone(x), atol=1e-5, rtol=1e-5)


def test_snr_is_the_default_class():
    assert type(insert_snr(resnet(), after=["layer1"]).layer1.snr) is SNR


class ChannelsLast(nn.Module):
    """A stage that puts out (N, H, W, C), as Swin's do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 24, 4, stride=4)

    def forward(self, x):
        return self.conv(x).permute(0, 2, 3, 1)


@pytest.mark.parametrize("inside", [False, True], ids=["hook", "sequential"])
def test_channels_last_stage_is_served_through_a_view(inside):
    stage = nn.Sequential(ChannelsLast()) if inside else ChannelsLast()
    backbone = nn.Sequential()
    backbone.add_module("stage", stage)
    x = torch.randn(2, 3, 32, 48)
    plain = backbone(x)
    insert_snr(backbone, ["stage"], reduction=4)
    snr = backbone.stage.snr
    assert (snr.channels, snr.stride, snr.channels_last) == (24, 4.0, True)
    got = backbone(x)
    snr.channels_last = False
    expected = snr(plain.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    torch.testing.assert_close(got, expected)


def test_swin_of_torchvision():
    torch.manual_seed(0)
    backbone = torchvision.models.swin_t(weights=None).eval()
    insert_snr(backbone, ["features.1", "features.3"], gate_bias=50.0)
    layers = find_snr(backbone).values()
    assert [(s.channels, s.stride) for s in layers] == [(96, 4.0), (192, 8.0)]
    x = torch.randn(1, 3, 64, 64)
    got = backbone(x)
    for snr in layers:  # open gates: the network's own function
        snr.forward = nn.Identity()
    torch.testing.assert_close(got, backbone(x), atol=1e-4, rtol=1e-4)


class OneSize(nn.Module):
    """A stage of a network that takes one size of image alone."""

    def __init__(self, channels_last=False, channels=16):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 4, stride=4)
        self.channels_last = channels_last

    def forward(self, x):
        assert x.shape[2:] == (64, 64)
        out = self.conv(x)
        return out.permute(0, 2, 3, 1) if self.channels_last else out


def test_square_map_with_as_many_channels_is_told_by_a_taller_image():
    for last in (False, True):
        stage = ChannelsLast() if last else nn.Conv2d(3, 16, 4, stride=4)
        backbone = nn.Sequential()
        backbone.add_module("stage", nn.Sequential(stage))
        side = 96 if last else 64
        insert_snr(backbone, ["stage"], example=torch.zeros(1, 3, side, side))
        assert backbone.stage.snr.channels_last == last


def test_network_of_one_size_is_told_by_its_form_or_refused():
    square = torch.zeros(1, 3, 64, 64)
    for last in (False, True):
        backbone = nn.Sequential()
        backbone.add_module("stage", nn.Sequential(OneSize(last, channels=24)))
        insert_snr(backbone, ["stage"], example=square)
        snr = backbone.stage.snr
        assert (snr.channels, snr.stride, snr.channels_last) == (24, 4.0, last)
    backbone = nn.Sequential()
    backbone.add_module("stage", nn.Sequential(OneSize()))
    with pytest.raises(InputError, match=r"\(1, 16, 16, 16\).*`example` of another size, or `sha"):
        insert_snr(backbone, ["stage"], example=square)
    assert not find_snr(backbone)


def test_a_run_that_fails_leaves_the_backbone_as_it_was():
    """Of a stage with a forward of its own the layer is put in before it is run."""

    class Stage(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(5, 32, 3)

        def forward(self, x):
            return self.convolution(x)

    backbone = nn.Sequential(Stage())
    keys = list(backbone.state_dict())
    for _ in range(2):
        with pytest.raises(InputError, match="takes no RGB image"):
            insert_snr(backbone, ["0"], shapes={"0": Shape(32, 8)})
        assert list(backbone.state_dict()) == keys
    insert_snr(backbone, ["0"], shapes={"0": Shape(32, 8)}, example=torch.zeros(1, 5, 16, 16))
    assert find_snr(backbone)


def test_declared_shapes_need_no_run():
    class Unrunnable(nn.Module):
        def forward(self, x):
            raise NotImplementedError("no kernel for this device")

    backbone = nn.Sequential()
    backbone.add_module("stage", nn.Sequential(Unrunnable()))
    insert_snr(backbone, ["stage"], shapes={"stage": Shape(32, 8)})
    assert (backbone.stage.snr.channels, backbone.stage.snr.stride) == (32, 8)


def test_ours_are_found_by_module_not_by_name():
    backbone = nn.Sequential()
    backbone.add_module("snr", nn.Sequential(nn.Conv2d(3, 16, 1)))  # somebody's stage is called so
    insert_layer(backbone, ["snr"], "instance_norm")
    assert list(find_layers(backbone)) == ["snr.style"]
    assert not find_snr(backbone)


class RunsItsChildren(nn.Module):
    """A stage with a forward of its own that calls every child, as Detectron2's RegNet has."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, stride=2)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        return x


def test_stage_that_runs_its_children_runs_the_layer_once():
    backbone = nn.Sequential()
    backbone.add_module("stage", RunsItsChildren())
    x = torch.randn(1, 3, 16, 16)
    plain = backbone(x)
    insert_snr(backbone, ["stage"])
    torch.testing.assert_close(backbone(x), backbone.stage.snr(plain))


def test_convolutions_without_padding_are_still_told_apart():
    backbone = nn.Sequential()
    backbone.add_module("stage", nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 24, 3)))
    insert_snr(backbone, ["stage"])  # 60 x 156 of 64 x 160
    assert (backbone.stage.snr.channels, backbone.stage.snr.channels_last) == (24, False)
