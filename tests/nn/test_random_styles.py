"""Layers that act in training alone: when they act, what they leave alone, what they refuse."""

import pytest
import torch

from snr_plugins.errors import InputError
from snr_plugins.nn import create_layer, insert_layer, untrained
from snr_plugins.nn.calibration import calibrate, calibrate_untrained

KINDS = ("mixstyle", "dsu", "normalisation_perturbation")


def maps(count=4, channels=3):
    torch.manual_seed(0)
    return torch.randn(count, channels, 6, 5) + torch.randn(count, channels, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_hands_back_the_input_itself(kind):
    layer = create_layer(kind, 3, probability=1.0).eval()
    x = maps().requires_grad_()
    assert layer(x) is x
    assert torch.equal(torch.jit.script(layer)(x), x)


@pytest.mark.parametrize("kind", KINDS)
def test_a_coin_for_the_whole_batch(kind):
    layer, x = create_layer(kind, 3, probability=0.3), maps()
    torch.manual_seed(0)
    outs = [layer(x) for _ in range(400)]
    changed = [out for out in outs if out is not x]
    assert 80 <= len(changed) <= 160  # 120, and 4.4 standard deviations around it
    assert create_layer(kind, 3, probability=0.0)(x) is x


@pytest.mark.parametrize(("kind", "alone"), zip(KINDS, (True, True, False), strict=True))
def test_one_image_is_left_alone_where_the_formula_needs_another(kind, alone):
    x = maps(1)
    assert (create_layer(kind, 3, probability=1.0)(x) is x) == alone


@pytest.mark.parametrize("kind", KINDS)
def test_only_means_and_deviations_change(kind):
    x = maps()
    out = create_layer(kind, 3, probability=1.0)(x)
    before, after = (
        (f - f.mean((2, 3), keepdim=True)) / f.std((2, 3), keepdim=True) for f in (x, out)
    )
    sign = (before * after).mean((2, 3), keepdim=True).sign()  # NP and DSU may turn a channel over
    torch.testing.assert_close(sign * after, before, atol=1e-4, rtol=1e-4)


def test_mixed_styles_lie_between_those_of_the_batch():
    x = maps()
    mu = create_layer("mixstyle", 3, probability=1.0)(x).mean((2, 3))
    means = x.mean((2, 3))
    assert (mu >= means.min(0).values - 1e-5).all() and (mu <= means.max(0).values + 1e-5).all()


def test_spread_of_the_draws():
    """Over many images of one style, NP's factors are N(1, 0.75^2), DSU's noise the batch's."""
    image = maps(1).expand(20_000, -1, -1, -1).contiguous() + 1
    torch.manual_seed(1)
    out = create_layer("normalisation_perturbation", 3, probability=1.0)(image)
    alpha = out.var((2, 3)).sqrt() / image.var((2, 3)).sqrt()  # |alpha|
    beta = out.mean((2, 3)) / image.mean((2, 3))
    assert (beta.mean(0) - 1).abs().max() < 0.02 and (beta.std(0) - 0.75).abs().max() < 0.02
    assert ((alpha**2).mean(0) - (1 + 0.75**2)).abs().max() < 0.05
    images = image + 2 * torch.randn(len(image), 3, 1, 1)
    moved = create_layer("dsu", 3, probability=1.0)(images).mean((2, 3)) - images.mean((2, 3))
    assert (moved.std(0) - 2).abs().max() < 0.05 and moved.mean(0).abs().max() < 0.06


@pytest.mark.parametrize("kind", KINDS)
def test_scripted_it_draws_the_same_or_says_that_it_cannot(kind):
    layer, x = create_layer(kind, 3, probability=1.0).train(), maps()
    scripted = torch.jit.script(layer)
    torch.manual_seed(3)
    expected = layer(x)
    torch.manual_seed(3)
    if kind == "mixstyle":
        with pytest.raises(torch.jit.Error):
            scripted(x)
    else:
        torch.testing.assert_close(scripted(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_no_calibrated_start_is_needed(kind):
    """No gamma, no beta: the log says so, no batch is taken, and by hand it is refused."""
    net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)))
    insert_layer(net, ["0"], kind)
    assert untrained(net) == []
    sentence = calibrate_untrained(net, iter([pytest.fail]), net)
    assert (
        sentence
        == f"{type(net[0].style).__name__} has no gamma and beta: no calibrated start is needed"
    )
    with pytest.raises(InputError, match="no SNR or instance norm"):
        calibrate(net, [torch.rand(1, 3, 8, 8)], net)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("dsu", {"probability": 1.5}, "DSU: probability 1.5 must be between 0 and 1"),
        ("mixstyle", {"alpha": 0.0}, "MixStyle: alpha 0.0 must be positive"),
        ("normalisation_perturbation", {"std": -1}, "std -1 must not be negative"),
        ("dsu", {"alpha": 1.0}, "dsu has no option 'alpha'; choose from: probability"),
    ],
)
def test_wrong_options_are_one_sentence(kind, options, message):
    with pytest.raises(InputError, match=message):
        create_layer(kind, 8, **options)
