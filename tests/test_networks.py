"""SNR in every network that docs/networks.md lists: one body for all of them."""

import copy
import io

import pytest
import torch
from torch import Tensor

from benchmarks.networks import NETWORKS
from snr_plugins.nn import StageLosses, default_stages, find_snr, insert_snr
from snr_plugins.nn.shapes import example_for

# Those that take longest on a CPU; of the kinds of stages that they have the others show each.
LARGE = {
    *("timm CaiT", "timm CoAtNet", "timm MaxViT", "timm Inception", "timm Xception", "timm XCiT"),
    *("timm DPN", "timm RepViT", "timm FastViT", "timm ReXNet", "timm CSPNet", "timm HGNet"),
    *("timm DaViT", "timm TinyViT", "timm MViTv2", "timm Twins", "timm VGG", "timm Hiera"),
    *("timm EfficientFormer", "timm MobileViT", "timm Visformer", "timm NFNet", "ConvNeXt"),
    *(
        "timm MLP-Mixer",
        "timm NesT",
        "timm CoaT",
        "timm DarkNet",
        "timm TResNet",
        "timm FocalNet",
        "timm SKNet",
        "timm SENet",
        "Swin",
    ),
}
EVERY = [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in NETWORKS]


def tensors(output):
    """All tensors that a network puts out, in their order."""
    if isinstance(output, Tensor):
        return [output]
    values = output.values() if isinstance(output, dict) else output
    return [tensor for value in values for tensor in tensors(value)]


def close(got, expected):
    for one, other in zip(tensors(got), tensors(expected), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3 * float(other.abs().max()))


def prepared(name):
    """The plain network, the same one with SNR, and a batch of images."""
    network = NETWORKS[name]
    pytest.importorskip(network.package, reason=f"{name} is of {network.package}")
    torch.manual_seed(0)
    plain = network.build(**network.small)
    plain.eval()  # MMSegmentation's hand back nothing
    snr = copy.deepcopy(plain)
    insert_snr(snr, network.after or default_stages(snr))
    return plain, snr, torch.rand(2, *example_for(plain).shape[1:])


@pytest.mark.parametrize("name", EVERY)
@torch.random.fork_rng()
def test_slot(name):
    plain, net, images = prepared(name)
    layers = find_snr(net)
    assert all(layer.stride > 1 for layer in layers.values())

    # the original's state dict loads, with nothing missing but what is new
    missing = net.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert missing.missing_keys and all(".snr." in key for key in missing.missing_keys)

    # open gates: the original's function; of every SNR something else, if it starts elsewhere
    opened = copy.deepcopy(net)
    for layer in find_snr(opened).values():
        torch.nn.init.zeros_(layer.gate.fc2.weight)
        torch.nn.init.constant_(layer.gate.fc2.bias, 50.0)
    with torch.no_grad():
        expected = plain(images)
        close(opened(images), expected)

    # a step with the restitution loss reaches every parameter of every SNR
    net.train()
    losses = StageLosses(layers, num_classes=5)
    labels = torch.tensor([1, 3])
    with losses.observing(lambda name, loss, seen: loss.pooled(seen, labels)) as terms:
        loss = sum(out.float().square().mean() for out in tensors(net(images)))
    (loss + sum(losses.weighted(terms).values())).backward()
    assert len(terms) == len(layers)
    for layer in layers.values():
        assert all(parameter.grad is not None for parameter in layer.parameters())
        assert layer.norm.weight.grad.abs().sum() > 0

    # pickles whole, and the copy runs its own layers
    file = io.BytesIO()
    net.eval()
    torch.save(net, file)
    file.seek(0)
    other = torch.load(file, weights_only=False)
    with torch.no_grad():
        expected = net(images)
        close(other(images), expected)
        for layer in find_snr(other).values():
            layer.norm.bias.fill_(3.0)
        changed = other(images)
        close(net(images), expected)
    assert not torch.allclose(tensors(changed)[-1], tensors(expected)[-1])

    # exports: the trace, as the frameworks' own tools make it
    with torch.no_grad():
        traced = torch.jit.trace(other, images, strict=False, check_trace=False)
        close(traced(images), changed)
