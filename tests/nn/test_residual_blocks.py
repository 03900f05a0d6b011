"""IBN-Net inside residual blocks, against blocks written out as its paper draws them."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
import torchvision

from snr_plugins.errors import InputError
from snr_plugins.nn import calibrate, find_layers, insert_layer, untrained

STAGES = ["layer1", "layer2"]


def resnet(depth=50):
    """As after training: fresh batch norms hide which statistics are used."""
    torch.manual_seed(0)
    network = getattr(torchvision.models, f"resnet{depth}")(weights=None)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def with_layers(kind, depth=50, stages=STAGES):
    network = insert_layer(resnet(depth), stages, kind)
    torch.manual_seed(1)
    for layer in find_layers(network).values():
        torch.nn.init.normal_(layer.norm.weight, 1, 0.3)
        torch.nn.init.normal_(layer.norm.bias, 0, 0.3)
    return network


def images():
    torch.manual_seed(2)
    return torch.randn(2, 3, 64, 64)


def textbook(network, name, x, half=None, summed=None):
    """The named block, layer by layer; ``half`` after conv1 and ``summed`` before the last ReLU
    are (weight, bias) of instance norm."""
    block = network.get_submodule(name)
    out = block.conv1(x)
    normed = block.bn1(out)
    if half is not None:
        count = len(half[0])
        first = F.instance_norm(out[:, :count], weight=half[0], bias=half[1])
        normed = torch.cat([first, normed[:, count:]], dim=1)
    out = block.bn2(block.conv2(F.relu(normed)))
    if hasattr(block, "conv3"):
        out = block.bn3(block.conv3(F.relu(out)))
    out = out + (block.downsample(x) if block.downsample is not None else x)
    if summed is not None:
        out = F.instance_norm(out, weight=summed[0], bias=summed[1])
    return F.relu(out)


def recorded(network, name):
    """Input and output of a block in one forward; the output before anybody overwrites it."""
    seen = {}
    hook = network.get_submodule(name).register_forward_hook(
        lambda _m, inputs, out: seen.update(x=inputs[0].clone(), out=out.clone())
    )
    with torch.no_grad():
        network(images())
    hook.remove()
    return seen["x"], seen["out"]


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("depth", [18, 50])
def test_ibn_a_is_half_instance_norm_in_every_block(depth, training):
    network = with_layers("ibn_a", depth).train(training)
    plain = resnet(depth).train(training)
    blocks = [f"{stage}.{i}" for stage in STAGES for i in range(len(getattr(plain, stage)))]
    assert list(find_layers(network)) == [f"{name}.bn1.ibn_a" for name in blocks]
    for name in blocks:
        norm = network.get_submodule(f"{name}.bn1.ibn_a").norm
        # the paper normalises the convolution's output: the same for a positive batch norm
        x, out = recorded(network, name)
        expected = textbook(plain, name, x, half=(norm.weight, norm.bias))
        torch.testing.assert_close(out, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("depth", [18, 50])
def test_ibn_b_is_instance_norm_before_the_last_relu(depth, training):
    network = with_layers("ibn_b", depth).train(training)
    plain = resnet(depth).train(training)
    last = [f"{stage}.{len(getattr(plain, stage)) - 1}" for stage in STAGES]
    assert list(find_layers(network)) == [f"{name}.ibn_b" for name in last]
    for name in last:
        norm = network.get_submodule(f"{name}.ibn_b").norm
        x, out = recorded(network, name)
        expected = textbook(plain, name, x, summed=(norm.weight, norm.bias))
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
        assert (out == 0).any()  # the ReLU comes after


@pytest.mark.parametrize("kind", ["ibn_a", "ibn_b"])
def test_pretrained_keys_stay_and_load(kind):
    plain = resnet().state_dict()
    network = insert_layer(torchvision.models.resnet50(weights=None), STAGES, kind)
    missing = network.load_state_dict(plain, strict=False)
    assert not missing.unexpected_keys
    assert missing.missing_keys and all(f".{kind}.norm." in key for key in missing.missing_keys)
    after = network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in plain.items())


@pytest.mark.parametrize("kind", ["ibn_a", "ibn_b"])
def test_learns_copies_and_pickles(kind):
    network = with_layers(kind)
    network(images()).sum().backward()
    for layer in find_layers(network).values():
        assert layer.norm.weight.grad.abs().sum() > 0
    network.zero_grad()
    network.eval()
    expected = network(images())
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(images()), expected)
    traced = torch.jit.trace(network, images())
    torch.testing.assert_close(traced(images()), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["ibn_a", "ibn_b"])
def test_calibrated_start_is_the_plain_networks_average_style(kind):
    """Of what the layer is given: a batch of one image passes as it did."""
    plain, image = resnet().eval(), images()[:1]
    network = insert_layer(resnet(), STAGES, kind).eval()
    names = untrained(network)
    assert names == list(find_layers(network))
    assert not torch.allclose(network(image), plain(image), atol=1e-2)
    assert calibrate(network, [image], network) == 1
    assert untrained(network) == []
    torch.testing.assert_close(network(image), plain(image), atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("kind", ["ibn_a", "ibn_b"])
def test_stages_that_cannot_take_it_are_one_sentence(kind):
    network = torchvision.models.mobilenet_v2(weights=None)
    with pytest.raises(InputError, match=r"'features.2' has no residual blocks.*instance_norm"):
        insert_layer(network, ["features.2"], kind)
    network = insert_layer(resnet(), ["layer1"], kind)
    before = list(network.state_dict())
    with pytest.raises(InputError, match="'layer1' already has IBN. in its blocks"):
        insert_layer(network, ["layer2", "layer1"], kind)
    assert list(network.state_dict()) == before


def test_a_norm_that_was_folded_is_one_sentence():
    network = resnet()
    del network.layer2[1].bn1
    with pytest.raises(InputError, match=r"block 1 of stage 'layer2' \(Bottleneck\) has no norm"):
        insert_layer(network, STAGES, "ibn_a")
    assert not find_layers(network)


def test_a_block_with_another_forward_is_one_sentence():
    class Wider(torchvision.models.resnet.Bottleneck):
        """Somebody's own block."""

    network = resnet()
    network.layer2[-1].__class__ = Wider
    with pytest.raises(InputError, match=r"last block of stage 'layer2' \(Wider of tests"):
        insert_layer(network, STAGES, "ibn_b")
    assert not find_layers(network)
