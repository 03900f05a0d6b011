"""Maps that leave the ordinary, in every precision: nothing is NaN or infinite that need not be.

"Need not" is the formula in float64, rounded to the type: where that is finite, so is ours. A map
of values around 6e4 in float16 has gradients, and random styles, that no float16 can hold.
"""

import copy

import pytest
import torch
from torch import nn

from snr_plugins.nn import SNR, RestitutionLoss, calibrate
from tests.nn.test_every_layer import (  # noqa: F401  layer: a fixture
    CHANNELS,
    formula,
    layer,
    seeded,
)
from tests.nn.watch import observation_of

HALVES = (torch.bfloat16, torch.float16)
# the type of the map, of the parameters, and of autocast
PRECISIONS = {
    "float32": (torch.float32, torch.float32, None),
    **{f"{h}-map": (h, torch.float32, None) for h in HALVES},
    **{f"{h}-model": (h, h, None) for h in HALVES},
    **{f"{h}-autocast": (torch.float32, torch.float32, h) for h in HALVES},
}
every_precision = pytest.mark.parametrize("precision", PRECISIONS.values(), ids=PRECISIONS)


def ordinary(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def one_channel_dead():
    x = ordinary(2, CHANNELS, 6, 5)
    x[:, 0] = 0
    return x


MAPS = {
    "one pixel": ordinary(2, CHANNELS, 1, 1),
    "one pixel wide": ordinary(2, CHANNELS, 9, 1),
    "one pixel high": ordinary(1, CHANNELS, 1, 9),
    "no image": ordinary(0, CHANNELS, 4, 4),
    "zero": torch.zeros(2, CHANNELS, 6, 5),
    "constant": torch.full((2, CHANNELS, 6, 5), 3.0),
    "a dead channel": one_channel_dead(),
    "large": 6e4 * ordinary(2, CHANNELS, 6, 5).sigmoid(),
    "large of both signs": 6e4 * ordinary(2, CHANNELS, 6, 5).tanh(),
    "large and constant": torch.full((2, CHANNELS, 6, 5), 6e4),
}
LARGE = [name for name in MAPS if "large" in name]


def finite(tensors):
    """Of each tensor where it is; of one that is not there nothing."""
    return [torch.zeros(()) if t is None else t for t in tensors]


def assert_finite(got, expected, names):
    """Where ``expected``, rounded to the type of ``got``, is; ``expected`` None: everywhere."""
    for i, (name, tensor) in enumerate(zip(names, finite(got), strict=True)):
        bad = ~torch.isfinite(tensor)
        if expected is not None:
            bad &= torch.isfinite(finite(expected)[i].to(tensor.dtype))
        assert not bad.any(), name


def outcome(run, x, module, autocast=None):
    """The output, and the gradients of input and parameters for a gradient of about 1."""
    inputs = [x.requires_grad_(), *module.parameters()]
    with torch.autocast(x.device.type, dtype=autocast, enabled=autocast is not None):
        out = run(module, x)
    weight = ordinary(*out.shape).to(out)
    grads = torch.autograd.grad((out * weight).sum(), inputs, allow_unused=True)
    return [out, *grads]


@pytest.mark.fault(
    "numbers",
    "Maps of one pixel, one pixel wide, of no image, zero, constant, with a dead channel, and of "
    "values to 6e4, through every layer in float32, bfloat16 and float16: map, model and autocast",
    "output and gradients are finite wherever the formula in float64 is, rounded to the type",
    tries=len(MAPS),
)
@every_precision
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_layers_output_and_gradients(layer, precision, training, device):  # noqa: F811
    kind, parameters, autocast = precision
    layer.to(parameters).train(training)
    names = ["output", "input", *(name for name, _ in layer.named_parameters())]
    for name, values in MAPS.items():
        x = values.to(device, kind)
        expected = None
        if name in LARGE:
            exact = copy.deepcopy(layer).double()
            expected = outcome(formula, x.double(), exact)
        assert_finite(outcome(seeded, x.clone(), layer, autocast), expected, names)
    for name, buffer in layer.named_buffers():  # of trust
        assert torch.isfinite(buffer).all(), name


LOSSES = ("pooled", "boxes", "pixels")


def added_loss(form, labelled):
    """``run(modules, x)`` of the restitution loss alone: L, and phi's cross-entropy."""

    def run(modules, x):
        snr, loss = modules
        seen = observation_of(snr, x)
        images, _, height, width = x.shape
        if form == "pixels":
            labels = torch.full((images, height, width), 0 if labelled else 255)
            terms = loss.pixels(seen, labels.to(x.device))
        elif form == "boxes":
            of = torch.arange(images if labelled else 0, device=x.device)
            pooled = x.float().mean((2, 3)).to(x.dtype)[: len(of)]
            terms = loss.boxes(seen, pooled, of, torch.zeros_like(of))
        else:
            labels = torch.zeros(images, dtype=torch.long, device=x.device)
            terms = loss.pooled(seen, labels)
        assert all(torch.isfinite(entropy) for entropy in terms[2:])
        return torch.stack(terms[:2])

    return run


@pytest.mark.fault(
    "numbers",
    "The same maps through the restitution loss on pixels, boxes and pooled vectors, with one "
    "class and eight, with and without ground truth",
    "loss and gradients are finite",
    tries=len(MAPS),
)
@every_precision
@pytest.mark.parametrize("classes", [1, 8])
@pytest.mark.parametrize("labelled", [True, False], ids=["labelled", "no-ground-truth"])
@pytest.mark.parametrize("form", LOSSES)
def test_the_losses_and_their_gradients(form, labelled, classes, precision, device):
    kind, parameters, autocast = precision
    torch.manual_seed(0)
    modules = nn.ModuleList([SNR(CHANNELS, 2), RestitutionLoss(CHANNELS, classes)])
    modules.to(device, parameters)
    names = ["output", "input", *(name for name, _ in modules.named_parameters())]
    run = added_loss(form, labelled)
    for values in MAPS.values():
        x = values.to(device, kind)
        exact = outcome(run, x.double(), copy.deepcopy(modules).double())
        assert_finite(exact, None, names)
        assert_finite(outcome(run, x.clone(), modules, autocast), exact, names)


@pytest.mark.fault(
    "numbers",
    "A calibrated start on each of those maps after an empty batch, and the step after it",
    "gamma and beta are the source's, output and gradients are finite",
)
@every_precision
@pytest.mark.parametrize("name", [name for name in MAPS if name != "no image"])
def test_a_calibrated_start_and_the_step_after_it(name, precision, device):
    kind, parameters, autocast = precision
    torch.manual_seed(0)
    network = nn.Sequential(SNR(CHANNELS, 2)).to(device, parameters)
    x = MAPS[name].to(device, kind)
    calibrate(network, [x[:0], x], network)  # an empty batch first
    exact, norm = x.double(), network[0].norm
    deviation = exact.std((2, 3), correction=0)
    for got, expected in ((norm.weight, deviation), (norm.bias, exact.mean((2, 3)))):
        torch.testing.assert_close(got.double(), expected.mean(0), rtol=1e-2, atol=1e-3)

    def run(network, x):
        return network(x)

    names = ["output", "input", *(name for name, _ in network.named_parameters())]
    expected = outcome(run, exact, copy.deepcopy(network).double())
    assert_finite(outcome(run, x.clone(), network, autocast), expected, names)


@pytest.mark.fault(
    "numbers",
    "Images whose style lies up to 1e12 away from all that was learned, in evaluation",
    "trust closes the gate, output and gradients are finite",
)
@pytest.mark.parametrize("far", [1e2, 1e4, 6e4, 1e12])
def test_trust_of_a_style_that_is_very_far_away(far, device):
    """Its sixth power leaves float32: the trust is 0 then, and its gradient no 0 * inf."""
    torch.manual_seed(0)
    snr = SNR(CHANNELS, 2).to(device)
    for _ in range(20):
        snr(torch.randn(8, CHANNELS, 6, 6, device=device))
    snr.eval()
    x = (far * torch.rand(1, CHANNELS, 6, 6, device=device)).requires_grad_()
    out = snr(x)
    out.sum().backward()
    assert torch.isfinite(out).all() and torch.isfinite(x.grad).all()
