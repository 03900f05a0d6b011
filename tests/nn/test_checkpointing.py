"""Activation checkpointing of the stage that an SNR follows: right, or refused by name."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from snr_plugins.errors import InputError
from snr_plugins.nn import Shape, StageLosses, find_snr, insert_layer, insert_snr

CLASSES = 3


class Network(nn.Module):
    """Two stages, run plainly or inside a checkpoint of either kind."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layer1 = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.reentrant = None

    def forward(self, x):
        x = self.stem(x)
        for stage in (self.layer1, self.layer2):
            if self.reentrant is None:
                x = stage(x)
            else:
                x = checkpoint(stage, x, use_reentrant=self.reentrant)
        return x


def network():
    built = insert_snr(Network(), ["layer1", "layer2"], reduction=2)
    built.losses = StageLosses(find_snr(built), CLASSES, 0.3, 0.2)
    return built


def form_of(kind):
    labels = torch.tensor([0, 2])
    boxes = (torch.tensor([0, 1, 1]), torch.tensor([0, 2, 1]))

    def form(name, loss, seen):
        if kind == "pooled":
            return loss.pooled(seen, labels)
        if kind == "pixels":
            return loss.pixels(seen, labels[:, None, None].expand(2, *seen.features.shape[2:]))
        return loss.boxes(seen, seen.features[boxes[0], :, 2:5, 2:6].mean((2, 3)), *boxes)

    return form


def train_step(model, kind):
    """Loss and gradients of one step."""
    torch.manual_seed(1)
    x = torch.randn(2, 3, 8, 10)
    with model.losses.observing(form_of(kind)) as terms:
        out = model(x)
    loss = out.square().mean() + sum(model.losses.weighted(terms).values())
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", ["pooled", "pixels", "boxes"])
def test_not_reentrant_equals_no_checkpointing(kind):
    plain, checkpointed = network(), network()
    checkpointed.reentrant = False
    expected, gradients = train_step(plain, kind)
    loss, got = train_step(checkpointed, kind)
    assert loss == expected
    for name, gradient in gradients.items():
        torch.testing.assert_close(got[name], gradient, msg=name)


def test_reentrant_is_refused_by_name_with_the_loss_and_right_without():
    model = network()
    model.reentrant = True
    with pytest.raises(InputError, match=r"layer1\.snr .*use_reentrant=True.*use_reentrant=False"):
        train_step(model, "pooled")
    plain = network()
    for silent in (model, plain):
        silent.zero_grad()
        silent.losses = StageLosses(find_snr(silent), CLASSES, 0.0, 0.0)
    _, gradients = train_step(plain, "pooled")
    _, got = train_step(model, "pooled")
    for name, gradient in gradients.items():
        torch.testing.assert_close(got[name], gradient, msg=name)


@pytest.mark.parametrize("layer", ["snr", "snr_spatial_channel", "instance_norm"])
def test_a_layer_checkpointed_by_itself_leaves_what_it_was_given(layer):
    """The reentrant kind keeps a module's input and runs it without autograd: not in place."""
    found = []
    for alone in (False, True):
        torch.manual_seed(0)
        convolution = nn.Conv2d(3, 8, 3, padding=1)
        stage = nn.Sequential(convolution, nn.ReLU())
        net = insert_layer(nn.Sequential(stage), ["0"], layer, shapes={"0": Shape(8)})
        x = torch.rand(2, 3, 8, 10, requires_grad=True)
        for module in net[0]:
            x = checkpoint(module, x, use_reentrant=True) if alone else module(x)
        x.square().sum().backward()
        found.append(convolution.weight.grad)
    torch.testing.assert_close(*found)


def test_losses_may_be_looked_at_without_autograd():
    model = network()
    with torch.no_grad(), model.losses.observing(form_of("pooled")) as terms:
        model(torch.randn(2, 3, 8, 10))
    assert list(terms) == ["layer1", "layer2"]
