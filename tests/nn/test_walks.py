"""The walks over the map against their formulas in float64."""

import pytest
import torch

from snr_plugins.nn import walks
from snr_plugins.nn.affine import Affine

SHAPES = [(2, 5, 7, 9), (1, 3, 1, 1), (3, 70, 16, 40), (1, 2, 400, 700)]
LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "sliced": lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
}
# half: its numbers are exact here, only what is written in half again is rounded
DTYPES = {torch.float32: 2e-6, torch.float64: 1e-12, torch.bfloat16: 2**-8, torch.float16: 2**-11}
every_map = [
    pytest.mark.parametrize("shape", SHAPES, ids=str),
    pytest.mark.parametrize("layout", LAYOUTS),
    pytest.mark.parametrize("dtype", DTYPES, ids=str),
]


def over_every_map(test):
    for mark in every_map:
        test = mark(test)
    return test


def random_case(shape, layout, dtype):
    """Two maps and five (N, C) coefficients."""
    torch.manual_seed(0)
    features, grad = (LAYOUTS[layout](torch.randn(shape).to(dtype)) for _ in range(2))
    small = torch.float64 if dtype == torch.float64 else torch.float32
    return features, grad, torch.randn(5, *shape[:2], dtype=small)


def as_map(values):
    return values.double()[:, :, None, None]


def assert_near(got, expected, tolerance):
    scale = expected.abs().max().clamp(min=1)
    assert (got.double() - expected).abs().max() <= tolerance * scale


@over_every_map
def test_statistics(shape, layout, dtype):
    features, _, _ = random_case(shape, layout, dtype)
    mean, var = walks.statistics(features)
    exact = features.double()
    assert_near(mean, exact.mean((2, 3)), min(DTYPES[dtype], 2e-6))
    assert_near(var, exact.var((2, 3), unbiased=False), min(DTYPES[dtype], 2e-6))


@over_every_map
def test_affine(shape, layout, dtype):
    features, _, (mean, scale, centre, _, _) = random_case(shape, layout, dtype)
    expected = as_map(scale) * (features.double() - as_map(mean)) + as_map(centre)
    out = walks.affine(features, mean, Affine(scale, centre))
    assert_near(out, expected, DTYPES[dtype])
    assert out.dtype == dtype
    assert walks.affine(features, mean, Affine(scale, centre), inplace=True) is features
    assert_near(features, expected, DTYPES[dtype])


@over_every_map
def test_gradient_sums(shape, layout, dtype):
    features, grad, (mean, *_) = random_case(shape, layout, dtype)
    total, product = walks.gradient_sums(grad, features, mean)
    # sums of many numbers that cancel: compare with their sizes
    size = grad.double().abs().sum((2, 3)).max().item() + 1
    tolerance = min(DTYPES[dtype], 2e-6) * size
    centred = features.double() - as_map(mean)
    assert (total - grad.double().sum((2, 3))).abs().max() <= tolerance
    assert (product - (grad.double() * centred).sum((2, 3))).abs().max() <= 4 * tolerance


@over_every_map
def test_gradient(shape, layout, dtype):
    features, grad, (mean, scale, style_scale, style_centre, _) = random_case(shape, layout, dtype)
    out = walks.gradient(grad, scale, features, mean, Affine(style_scale, style_centre))
    expected = as_map(scale) * grad.double() + as_map(style_centre)
    expected = expected + as_map(style_scale) * (features.double() - as_map(mean))
    assert_near(out, expected, 2 * DTYPES[dtype])
    assert out.dtype == dtype


@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("mean", [1e3, -1e4])
def test_variance_does_not_cancel(layout, mean):
    torch.manual_seed(0)
    features = LAYOUTS[layout](mean + torch.randn(2, 8, 75, 150))
    exact = features.double()
    got_mean, got_var = walks.statistics(features)
    torch.testing.assert_close(got_mean.double(), exact.mean((2, 3)), rtol=1e-6, atol=0)
    expected = exact.var((2, 3), unbiased=False)
    torch.testing.assert_close(got_var.double(), expected, rtol=1e-3, atol=0)
    naive = features.square().mean((2, 3)) - features.mean((2, 3)).square()
    assert ((naive / expected - 1).abs() > 1e-3).any()  # so the bound can fail


def test_constant_maps_have_no_variance():
    features = torch.stack([torch.zeros(4, 5), torch.full((4, 5), 3.0)])[None]
    mean, var = walks.statistics(features)
    assert mean.tolist() == [[0.0, 3.0]]
    assert var.tolist() == [[0.0, 0.0]]
