"""One backward for the whole module: what autograd alone would have given, and no second one."""

import pytest
import torch
from torch import nn

from snr_plugins.nn import SNR, fused, insert_snr, textbook
from snr_plugins.nn.affine import Affine, statistics
from tests.nn.test_snr import random_features, random_snr
from tests.nn.watch import observation_of, saved_maps


def plain(features, algebra):
    """The same as autograd sees it, from the formulas."""
    mean, var = statistics(features)
    scale, centre = algebra(mean, var)
    centred = features - mean[..., None, None]
    return scale[..., None, None] * centred + centre[..., None, None], mean, var


def ours(features, algebra):
    seen = []

    def coefficients(mean, var):
        seen.extend((mean, var))
        return Affine(*algebra(mean, var))

    return fused.restyle(features, coefficients), *seen


ALGEBRA = {
    "style only in the scale": lambda mean, var: (var.sqrt(), torch.ones_like(mean)),
    "style only in the centre": lambda mean, var: (torch.ones_like(mean), mean.sin()),
    "both": lambda mean, var: ((var + mean.square()).sqrt(), mean * var),
    "no style": lambda mean, var: (torch.ones_like(mean), torch.zeros_like(mean)),
}
LOSSES = {
    "output": lambda out, mean, var: out.square().sum(),
    "statistics": lambda out, mean, var: (mean.sin() * var).sum(),
    "mean alone": lambda out, mean, var: mean.square().sum(),
    "both": lambda out, mean, var: out.square().sum() + (mean.sin() * var).sum(),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("algebra", ALGEBRA)
def test_gradient_equals_autograds(algebra, loss, layout):
    x = random_features(2, 6, 5, 7, dtype=torch.float64).contiguous(memory_format=layout)
    x.requires_grad_()
    expected, got = (
        torch.autograd.grad(LOSSES[loss](*form(x, ALGEBRA[algebra])), x)[0]
        for form in (plain, ours)
    )
    torch.testing.assert_close(got, expected, atol=1e-10, rtol=1e-10)


def test_a_kept_graph_gives_the_same_gradient_again():
    x = random_features(2, 6, 5, 7).requires_grad_()
    out, mean, _ = ours(x, ALGEBRA["both"])
    alone = torch.autograd.grad(mean.sum(), x, retain_graph=True)[0]  # skips the transform
    first = torch.autograd.grad(out.sum(), x, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], first)
    torch.testing.assert_close(alone, torch.full_like(x, 1 / 35))


def test_gradient_that_is_an_expanded_scalar():
    x = random_features(2, 6, 5, 7).requires_grad_()
    expected, got = (
        torch.autograd.grad(form(x, ALGEBRA["both"])[0].sum(), x)[0] for form in (plain, ours)
    )
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_second_derivative_is_refused():
    snr, x = random_snr(), random_features(1, 32, 4, 4).requires_grad_()
    (grad,) = torch.autograd.grad(snr(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_keeps_the_input_alone_for_the_backward():
    snr = random_snr()
    x = random_features(2, 32, 40, 40).requires_grad_()
    with saved_maps(x.numel() // 4) as maps:
        snr(x)
    assert maps == {x.data_ptr()}


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_compiles_whole(training, layout):
    torch._dynamo.reset()
    snr = random_snr().train(training)
    x = random_features(2, 32, 6, 5).contiguous(memory_format=layout).requires_grad_(training)
    expected = textbook.features(snr, x)[1]
    # aot_eager takes the same graph as the default backend, without its minute in a C++ compiler
    out = torch.compile(snr, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    if training:
        got = torch.autograd.grad(out.square().sum(), [x, *snr.parameters()])
        theirs = torch.autograd.grad(expected.square().sum(), [x, *snr.parameters()])
        torch.testing.assert_close(got, theirs, atol=2e-3, rtol=1e-4)


def test_exports():
    torch._dynamo.reset()  # what another test compiled would hide a refusal
    snr = random_snr().eval()
    x = random_features(2, 32, 6, 5)
    program = torch.export.export(snr, (x,))
    expected = textbook.features(snr, x)[1]
    torch.testing.assert_close(program.module()(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_in_place_where_autograd_is_off(layout):
    snr = random_snr(inplace=True)
    x = random_features(2, 32, 6, 5).contiguous(memory_format=layout)
    before = x.clone()
    expected = textbook.features(snr, x)[1]
    assert snr(x) is not x  # autograd is on
    assert torch.equal(x, before)
    with torch.no_grad():
        out = snr(x)
    assert out.data_ptr() == x.data_ptr()
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)


def test_not_in_place_where_the_loss_will_read_the_input():
    snr = random_snr(inplace=True).train()
    x = random_features(2, 32, 6, 5)
    before = x.clone()
    with torch.no_grad():
        observation_of(snr, x)
    assert torch.equal(x, before)


def test_insertion_overwrites_only_what_a_sequential_hands_on():
    class Stage(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 1)

        def forward(self, x):
            return self.conv(x)

    inside = insert_snr(nn.Sequential(nn.Sequential(Stage())), ["0"])
    behind = insert_snr(nn.Sequential(Stage()), ["0"])
    told = insert_snr(nn.Sequential(nn.Sequential(Stage())), ["0"], inplace=False)
    assert [m.get_submodule("0.snr").inplace for m in (inside, behind, told)] == [
        True,
        False,
        False,
    ]
    assert SNR(16).inplace is False
