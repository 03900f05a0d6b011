"""What stages put out beside one map: tokens, lists of maps, nothing; and default_stages."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import (
    SNR,
    Observation,
    calibrate,
    default_stages,
    find_layers,
    find_snr,
    insert_layer,
    insert_snr,
)


class Tokens(nn.Module):
    """Patches of 8 pixels row by row, (N, L, C), behind tokens that are no pixels, as of a ViT."""

    def __init__(self, prefix=1, only=None):
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 8, stride=8)
        self.first = nn.Parameter(torch.randn(1, prefix, 24))
        self.only = only  # the one size that it takes

    def forward(self, x):
        assert self.only is None or tuple(x.shape[2:]) == self.only
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(len(x), -1, -1), tokens], 1)


def network(stage):
    net = nn.Sequential()
    net.add_module("stage", stage)
    return net


@pytest.mark.parametrize("inside", [False, True], ids=["hook", "sequential"])
@pytest.mark.parametrize("prefix", [0, 1, 5])
def test_tokens_are_the_map_of_their_pixels(prefix, inside):
    """For images of any size; what comes before the pixels is left alone."""
    torch.manual_seed(0)
    net = network(nn.Sequential(Tokens(prefix)) if inside else Tokens(prefix))
    images = torch.randn(2, 3, 32, 48), torch.randn(1, 3, 80, 40)
    plain = [net(x) for x in images]
    insert_snr(net, ["stage"])
    (snr,) = find_snr(net).values()
    assert (snr.channels, snr.stride, snr.prefix) == (24, 8.0, prefix)
    alone = SNR(24)  # on maps (N, C, H, W)
    alone.load_state_dict(snr.state_dict())
    for x, tokens in zip(images, plain, strict=True):
        got = net(x)
        rows, columns = x.shape[2] // 8, x.shape[3] // 8
        pixels = tokens[:, prefix:].transpose(1, 2).unflatten(2, (rows, columns))
        expected = alone(pixels).flatten(2).transpose(1, 2)
        torch.testing.assert_close(got[:, prefix:], expected)
        assert torch.equal(got[:, :prefix], tokens[:, :prefix])


def test_calibration_measures_pixels_alone():
    net = insert_snr(network(Tokens(prefix=3)), ["stage"])
    images = torch.randn(4, 3, 32, 48)
    calibrate(net, [images], net)
    maps = net.stage.patches(images)
    torch.testing.assert_close(net.stage.snr.norm.bias, maps.mean((2, 3)).mean(0))


def test_tokens_of_one_size_are_told_by_their_number():
    for prefix in (0, 1, 2):
        net = insert_snr(network(Tokens(prefix, only=(224, 224))), ["stage"])
        assert (net.stage.snr.prefix, net.stage.snr.stride) == (prefix, 8.0)
    net = network(Tokens(only=(56, 72)))
    with pytest.raises(InputError, match=r"no RGB image of 64x160, 224x224, 256x256; give an `exa"):
        insert_snr(net, ["stage"])
    assert not find_layers(net)
    insert_snr(net, ["stage"], example=torch.zeros(1, 3, 56, 72))
    assert net.stage.snr.prefix == 1


@pytest.mark.parametrize(("height", "width"), [(32, 48), (80, 40), (64, 64), (8, 200)])
def test_grid_of_tokens_is_that_of_the_image(height, width):
    rows, columns = height // 8, width // 8
    seen = Observation(torch.zeros(1, 4, rows * columns, 1), None)
    assert seen.grid(height, width) == (rows, columns)
    assert Observation(torch.zeros(1, 4, 5, 7), None).grid(height, width) == (5, 7)


def test_layer_that_looks_at_neighbours_is_refused_on_tokens():
    net = network(Tokens())
    with pytest.raises(InputError, match="'stage' puts out tokens.*snr_spatial_channel looks"):
        insert_layer(net, ["stage"], "snr_spatial_channel")
    assert not find_layers(net)


class Branches(nn.Module):
    """Two maps of other sizes and something else, handed on as a list or tuple."""

    def __init__(self, kind):
        super().__init__()
        self.fine = nn.Conv2d(3, 16, 4, stride=4)
        self.coarse = nn.Conv2d(3, 32, 8, stride=8)
        self.kind = kind

    def forward(self, x):
        return self.kind([self.fine(x), tuple(x.shape), torch.ones(1), self.coarse(x)])


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("inside", [False, True], ids=["hook", "sequential"])
def test_each_map_of_a_list_has_its_layer(kind, inside):
    net = network(nn.Sequential(Branches(kind)) if inside else Branches(kind))
    x = torch.randn(2, 3, 32, 48)
    plain = net(x)
    insert_snr(net, ["stage"])
    layers = find_snr(net)
    assert [(k, s.channels, s.stride) for k, s in layers.items()] == [
        ("stage.snr.0", 16, 4.0),
        ("stage.snr.3", 32, 8.0),
    ]
    got = net(x)
    assert type(got) is kind and got[1] == tuple(x.shape) and torch.equal(got[2], plain[2])
    for index in (0, 3):
        torch.testing.assert_close(got[index], layers[f"stage.snr.{index}"](plain[index]))
    with pytest.raises(InputError, match=r"'stage' already has a style layer \(StyleLayers\)"):
        insert_snr(net, ["stage"])


class Dense(nn.ModuleDict):
    """Walks over its children with a list of all maps before them, as DenseNet's blocks do."""

    def forward(self, x):
        maps = [x]
        for convolution in self.values():
            maps.append(convolution(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


def test_stage_that_walks_over_its_children_is_not_given_another():
    net = network(Dense({"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(11, 8, 1)}))
    x = torch.randn(2, 3, 16, 16)
    plain = net(x)
    insert_snr(net, ["stage"])
    assert list(find_snr(net)) == ["stage.b.snr"] and list(net.stage) == ["a", "b"]
    torch.testing.assert_close(net(x), net.stage.b.snr(plain))
    with pytest.raises(InputError, match="'stage' already has a style layer"):
        insert_snr(net, ["stage"])


class ListOfBlocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Conv2d(3, 16, 2, stride=2), nn.Conv2d(16, 16, 1)])

    def forward(self, x):
        for block in self.blocks:
            x = F.relu(block(x))
        return x


def test_failure_of_the_run_that_looks_leaves_the_backbone_as_it_was():
    net = network(ListOfBlocks())
    keys = list(net.state_dict())

    class Odd(nn.Module):
        def forward(self, x):
            if len(list(net.stage.children())) > 1:
                raise RuntimeError("one child too many")
            return x

    net.add_module("odd", Odd())
    with pytest.raises(RuntimeError, match="one child too many"):
        insert_snr(net, ["stage"])
    assert list(net.state_dict()) == keys


def test_a_list_of_blocks_stands_for_its_last():
    net = insert_snr(ListOfBlocks(), ["blocks"])
    assert list(find_snr(net)) == ["blocks.1.snr"]
    with pytest.raises(InputError, match="'blocks' already has a style layer"):
        insert_snr(net, ["blocks"])
    with pytest.raises(InputError, match="named twice"):
        insert_snr(ListOfBlocks(), ["blocks", "blocks.1"])


def test_a_hook_that_was_there_sees_what_the_next_stage_sees():
    """As timm collects features."""
    net = network(ListOfBlocks())
    seen = []
    net.stage.register_forward_hook(lambda _m, _x, out: seen.append(out))
    insert_snr(net, ["stage"])
    seen.clear()
    out = net(torch.randn(1, 3, 16, 16))
    assert torch.equal(seen[0], out)


def test_default_stages_of_timm():
    timm = pytest.importorskip("timm")
    for name, wrapped, expected in (
        ("resnet10t", False, ["layer1", "layer2", "layer3"]),
        ("convnext_atto", True, ["stages_0", "stages_1", "stages_2"]),
        ("vit_tiny_patch16_224", True, ["model.blocks.2", "model.blocks.5", "model.blocks.8"]),
        ("efficientvit_m0", True, ["stages_0", "stages_1"]),  # strides from 16 on
    ):
        net = timm.create_model(name, pretrained=False, features_only=wrapped)
        assert default_stages(net) == expected, name


def test_default_stages_says_what_it_cannot():
    with pytest.raises(InputError, match=r"Sequential has no feature_info.*docs/networks\.md"):
        default_stages(nn.Sequential())
    net = nn.Sequential()
    net.feature_info = [{"module": f"block.{i}", "reduction": 4 * 2**i} for i in range(3)]
    with pytest.raises(InputError, match=r"names 'block\.0', which is no module"):
        default_stages(net)
