"""What is made anew for the backward, against a backward that kept it."""

import contextlib
import weakref

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from snr_plugins.nn import (
    Shape,
    create_layer,
    find_layers,
    insert_layer,
    insert_snr,
    remade_outputs,
)
from tests.nn.watch import tensors_alive


def network(after_snr=nn.Identity):
    """Two stages with an SNR each; the first stage's output is read twice, as a neck would."""
    torch.manual_seed(0)
    stages = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()),
        nn.Sequential(after_snr(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()),
        nn.Conv2d(16, 4, 1),
    )
    shapes = {"0": Shape(16), "1": Shape(16)}
    return insert_snr(stages, after=["0", "1"], shapes=shapes).double()


class Transposed(nn.Module):
    def forward(self, x):
        return x.transpose(2, 3)


def gradients(net, block, forward=None):
    net.zero_grad()
    x = torch.linspace(-1, 1, 2 * 3 * 8 * 8, dtype=torch.float64).sin().view(2, 3, 8, 8)
    with block:
        loss = (net(x) if forward is None else forward(x)).square().sum()
    loss.backward()
    return [p.grad.clone() for p in net.parameters()]


def assert_same(net, **options):
    kept = gradients(net, contextlib.nullcontext(), **options)
    remade = gradients(net, remade_outputs(net), **options)
    assert all(torch.equal(a, b) for a, b in zip(kept, remade, strict=True))


@pytest.mark.parametrize(
    "after_snr", [nn.Identity, nn.GELU, lambda: nn.ReLU(inplace=True), Transposed]
)
def test_gradients_are_the_same_to_the_bit(after_snr):
    assert_same(network(after_snr))


@pytest.mark.parametrize("inside", [(True, True), (True, False), (False, True)])
def test_gradients_are_the_same_around_activation_checkpointing(inside):
    net = network()

    def forward(x):
        for stage, is_inside in zip(net, (*inside, False), strict=True):
            x = checkpoint(stage, x, use_reentrant=False) if is_inside else stage(x)
        return x

    assert_same(net, forward=forward)


@pytest.mark.parametrize("layer", ["instance_norm", "mixstyle", "snr_spatial_channel"])
def test_gradients_are_the_same_behind_other_layers(layer):
    torch.manual_seed(0)
    net = nn.Sequential(create_layer(layer, 16), nn.Conv2d(16, 4, 3)).double()
    x = torch.rand(2, 16, 6, 6, dtype=torch.float64)
    found = []
    for block in (contextlib.nullcontext(), remade_outputs(net)):
        torch.manual_seed(1)  # mixstyle draws
        net.zero_grad()
        with block:
            loss = net(x).square().sum()
        loss.backward()
        found.append(net[1].weight.grad.clone())
    assert torch.equal(*found)


def outputs_alive(block):
    """How many of the SNRs' outputs live on behind the forward, with its graph."""
    net = network()
    outputs = []
    for snr in find_layers(net).values():
        snr.register_forward_hook(lambda _m, _i, out: outputs.append(weakref.ref(out)))
    with block(net):
        loss = net(torch.rand(2, 3, 8, 9, dtype=torch.float64)).sum()
    alive = sum(output() is not None for output in outputs)
    loss.backward()
    return alive


def test_outputs_are_kept_outside_the_block_alone():
    assert outputs_alive(lambda net: contextlib.nullcontext()) == 2
    assert outputs_alive(remade_outputs) == 0


def test_a_forward_without_a_backward_leaves_nothing_behind():
    """As of a loss that is only looked at: a ReLU saves its own output, which knows the ReLU."""
    net = network()
    before = tensors_alive()
    for _ in range(2):
        with remade_outputs(net):
            net(torch.rand(2, 3, 8, 9, dtype=torch.float64))
    assert tensors_alive() <= before


def test_what_was_changed_in_place_is_told_as_without_the_block():
    for block in (contextlib.nullcontext, lambda: remade_outputs(network())):
        x = torch.zeros(2, requires_grad=True)
        with block():
            kept = x.exp()
            loss = kept.sigmoid().sum()  # the backward of both needs what they put out
            kept.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_an_input_that_changes_later_is_told():
    net = network()
    x = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    with remade_outputs(net):
        features = net[0][:2](x)
        loss = net[1](net[0][2](features)).sum()
    with torch.no_grad():
        features.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_head_of_its_own_has_a_backward_of_its_own():
    """Behind a detached output, when the graph in front of it is gone."""
    net, head = network(), nn.Conv2d(16, 2, 3).double()
    x = torch.rand(2, 3, 8, 9, dtype=torch.float64)
    gradients_found = []
    for block in (contextlib.nullcontext(), remade_outputs(net)):
        head.zero_grad()
        with block:
            features = net[0](x)
            loss, other = net[2](net[1](features)).sum(), head(features.detach()).square().sum()
        loss.backward()
        other.backward()
        gradients_found.append(head.weight.grad.clone())
    assert torch.equal(*gradients_found)


def test_an_output_that_somebodys_hook_changes_is_kept():
    net = network()

    @torch.no_grad()
    def double(module, inputs, output):
        output.mul_(2)

    net[0][2].register_forward_hook(double)
    assert_same(net)


@pytest.mark.parametrize("layer", ["snr", "instance_norm"])
def test_a_compiled_network_takes_many_steps(layer):
    torch._dynamo.reset()
    torch.manual_seed(0)
    stages = nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()), nn.Conv2d(16, 4, 1))
    compiled = torch.compile(insert_layer(stages, ["0"], layer), backend="eager")
    for _ in range(3):
        with remade_outputs(compiled):
            loss = compiled(torch.rand(2, 3, 8, 8)).sum()
        loss.backward()


def test_nothing_stays_on_the_model():
    net = network()
    with pytest.raises(ZeroDivisionError), remade_outputs(net):
        1 / 0  # noqa: B018
    assert not any(layer._forward_hooks for layer in find_layers(net).values())
