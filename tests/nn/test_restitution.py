"""The restitution loss against the paper's formulae on full feature maps."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.timing import peak_bytes
from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, RestitutionLoss, find_snr, observed, textbook
from tests.nn.watch import observation_of, saved_maps

CHANNELS, CLASSES = 16, 5


@pytest.fixture
def stage():
    """(snr, loss, x): an SNR and its loss in float64, with random parameters."""
    torch.manual_seed(0)
    snr, loss = SNR(CHANNELS, reduction=4).double(), RestitutionLoss(CHANNELS, CLASSES).double()
    with torch.no_grad():
        for parameter in [*snr.parameters(), *loss.parameters()]:
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(3, CHANNELS, 6, 8, dtype=torch.float64, requires_grad=True)
    return snr, loss, x


def assert_same_loss_and_gradients(terms, restitution, probe, inputs):
    torch.testing.assert_close(terms.restitution, restitution)
    torch.testing.assert_close(terms.probe, probe)
    # gamma does not enter the pooled form at all: unused there, numerically zero in the textbook
    ours = torch.autograd.grad(
        terms.restitution + 2 * terms.probe, inputs, materialize_grads=True, allow_unused=True
    )
    theirs = torch.autograd.grad(restitution + 2 * probe, inputs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-7)


def test_pooled_equals_textbook(stage):
    snr, loss, x = stage
    labels = torch.tensor([0, 3, 4])
    terms = loss.pooled(observation_of(snr, x), labels)
    logits = [loss.probe(f.mean(dim=(2, 3))) for f in textbook.features(snr, x)]
    expected = textbook.ranking(*[textbook.entropy(z) for z in logits])
    inputs = [x, *snr.parameters(), *loss.parameters()]
    assert_same_loss_and_gradients(terms, expected, F.cross_entropy(logits[1], labels), inputs)


def test_pixels_equal_textbook(stage):
    snr, loss, x = stage
    labels = torch.randint(0, CLASSES, (3, 6, 8))
    labels[:, :2] = 255
    terms = loss.pixels(observation_of(snr, x), labels)
    maps = textbook.features(snr, x)
    logits = [loss.probe(f.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) for f in maps]
    # averaged over the map before the softplus
    expected = textbook.ranking(*[textbook.entropy(z).mean(dim=(1, 2)) for z in logits])
    probe = F.cross_entropy(logits[1], labels, ignore_index=255)
    inputs = [x, *snr.parameters(), *loss.parameters()]
    assert_same_loss_and_gradients(terms, expected, probe, inputs)


def test_boxes_equal_textbook(stage):
    snr, loss, x = stage
    boxes = [(0, 1, 2, 5, 6), (2, 0, 0, 3, 4), (2, 4, 1, 8, 5)]  # image, x0, y0, x1, y1
    image_index, labels = torch.tensor([b[0] for b in boxes]), torch.tensor([1, 0, 4])

    def crop(features):
        return torch.stack(
            [features[n, :, y0:y1, x0:x1].mean((1, 2)) for n, x0, y0, x1, y1 in boxes]
        )

    terms = loss.boxes(observation_of(snr, x), crop(x), image_index, labels)
    logits = [loss.probe(crop(f)) for f in textbook.features(snr, x)]
    expected = textbook.ranking(*[textbook.entropy(z) for z in logits])
    inputs = [x, *snr.parameters(), *loss.parameters()]
    assert_same_loss_and_gradients(terms, expected, F.cross_entropy(logits[1], labels), inputs)


@pytest.mark.parametrize("terms", ["plus", "minus"])
def test_one_half_alone(stage, terms):
    """L+ = softplus(H(F~+) - H(F~)), L- = softplus(H(F~) - H(F~-)), on whole maps."""
    snr, loss, x = stage
    loss.terms = terms
    labels = torch.tensor([0, 3, 4])
    got = loss.pooled(observation_of(snr, x), labels)
    logits = [loss.probe(f.mean(dim=(2, 3))) for f in textbook.features(snr, x)]
    normalised, enhanced, contaminated = (textbook.entropy(z) for z in logits)
    first, second = {"plus": (enhanced, normalised), "minus": (normalised, contaminated)}[terms]
    expected = torch.log1p(torch.exp(first - second)).mean()
    inputs = [x, *snr.parameters(), *loss.parameters()]
    assert_same_loss_and_gradients(got, expected, F.cross_entropy(logits[1], labels), inputs)


def test_other_terms_are_refused_in_one_sentence():
    with pytest.raises(InputError, match="no terms 'L'; choose from: both, plus, minus"):
        RestitutionLoss(CHANNELS, CLASSES, "L")


def test_no_box_and_no_labelled_pixel_give_zero_on_the_graph(stage):
    snr, loss, x = stage
    empty = torch.zeros(0, dtype=torch.long)
    terms = loss.boxes(observation_of(snr, x), x.new_zeros(0, CHANNELS), empty, empty)
    assert terms.restitution == 0 and terms.probe == 0
    (terms.restitution + terms.probe).backward()
    assert snr.gate.fc1.weight.grad is not None and loss.probe.weight.grad is not None
    terms = loss.pixels(observation_of(snr, x), torch.full((3, 6, 8), 255))
    assert terms.probe == 0 and torch.isfinite(terms.restitution)


def test_entropy_ordering_emerges_in_training():
    """Class is the phase of a pattern, style is a random gain and offset per sample.

    Every SNR parameter must be in the optimizer and move; the released code fails at this.
    """
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU())
    snr, loss, head = SNR(32, reduction=4), RestitutionLoss(32, 4), nn.Linear(32, 4)
    modules = nn.ModuleList([encoder, snr, loss, head])
    optimizer = torch.optim.Adam(modules.parameters(), lr=5e-3)
    start = {name: p.detach().clone() for name, p in snr.named_parameters()}
    patterns = torch.randn(4, 3, 8, 8)

    def batch():
        labels = torch.randint(0, 4, (32,))
        gain, offset = 0.5 + torch.rand(32, 3, 1, 1), torch.randn(32, 3, 1, 1)
        noise = 0.3 * torch.randn(32, 3, 8, 8)
        return gain * (patterns[labels] + noise) + offset, labels

    for _ in range(200):
        images, labels = batch()
        features = encoder(images)
        terms = loss.pooled(observation_of(snr, features), labels)
        logits = head(snr(features).mean(dim=(2, 3)))
        total = F.cross_entropy(logits, labels) + terms.restitution + terms.probe
        optimizer.zero_grad()
        total.backward()
        assert all(p.grad is not None for p in snr.parameters())
        optimizer.step()
    assert terms.entropy_enhanced < terms.entropy_normalised < terms.entropy_contaminated
    for name, parameter in snr.named_parameters():
        assert not torch.equal(parameter, start[name]), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pixel_loss_keeps_no_map_of_its_own(dtype):
    """Of the size of the feature, the backward needs the SNR's input and nothing else."""
    torch.manual_seed(0)
    snr, loss = SNR(64), RestitutionLoss(64, 2)
    x = torch.randn(2, 64, 24, 24).to(dtype).requires_grad_()
    with saved_maps(x.numel() // 2) as kept:
        terms = loss.pixels(observation_of(snr, x), torch.zeros(2, 24, 24, dtype=torch.long))
    assert kept == {x.data_ptr()}
    (terms.restitution + terms.probe).backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("form", ["pixels", "boxes"])
def test_no_map_is_alive_because_of_the_loss(form):
    """The peak of a whole step, forward and backward, is that of the same step without the loss."""
    channels, size = 256, 64
    stages = [
        nn.Sequential(nn.Conv2d(c, channels, 1), nn.ReLU(), SNR(channels))
        for c in (3, channels, channels)
    ]
    network = nn.Sequential(*stages)
    losses = {name: RestitutionLoss(channels, 2) for name in find_snr(network)}
    x, labels = torch.randn(1, 3, size, size), torch.zeros(1, size, size, dtype=torch.long)
    one_map = channels * size * size * 4  # bytes

    def step(with_loss):
        terms = []

        def observe(name, seen):
            if form == "pixels":
                terms.append(losses[name].pixels(seen, labels))
            else:
                pooled, zero = seen.features[:, :, 10:40, 10:40].mean((2, 3)), torch.zeros(1).long()
                terms.append(losses[name].boxes(seen, pooled, zero, zero))

        with observed(find_snr(network) if with_loss else {}, observe):
            out = network(x)
        (out.mean() + sum(t.restitution + t.probe for t in terms)).backward()
        network.zero_grad()

    step(True), step(False)  # what torch allocates once
    threads = torch.get_num_threads()
    # With one thread a convolution's backward takes so little that the moment shows in which the
    # loss's gradient of one map is added to the map's own.
    torch.set_num_threads(2)
    try:
        with_loss, without = (peak_bytes(lambda flag=flag: step(flag)) for flag in (True, False))
    finally:
        torch.set_num_threads(threads)
    assert with_loss < without + one_map / 2
