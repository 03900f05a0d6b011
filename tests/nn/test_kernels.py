"""The Triton kernels in Triton's interpreter, against their formulas in float64.

Whether Triton interprets is decided when a kernel is defined, so this runs in a Python of its own.
bfloat16 is left to ``make bench-gpu``: the interpreter of Triton 2.3 has no such number.
"""

import os
import subprocess
import sys

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")


def check(
    shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, large: bool = False
) -> None:
    from snr_plugins.nn import kernels
    from snr_plugins.nn.affine import Affine

    torch.manual_seed(0)
    offset = 1000 if dtype == torch.float32 else 1  # a variance from E[F^2] would be wrong
    values = torch.randn(shape)
    values = 6e4 * values.sigmoid() if large else values + offset  # float16 ends at 65504
    features = values.to(dtype).contiguous(memory_format=layout)
    grad = torch.randn(shape).to(dtype)
    scale, style_scale, centre = torch.randn(3, *shape[:2]).clamp(-0.5, 0.5)
    rounding = 2e-3 if dtype == torch.float16 else 1e-6

    def as_map(values):
        return values.double()[:, :, None, None]

    def near(got, expected, tolerance):
        assert (got.double() - expected).abs().max() <= tolerance * expected.abs().max()

    exact = features.double()
    mean, var = kernels.statistics(features)
    near(mean, exact.mean((2, 3)), 1e-6)
    torch.testing.assert_close(var.double(), exact.var((2, 3), unbiased=False), rtol=1e-4, atol=0)
    centred = exact - as_map(mean)

    out = kernels.affine(features, mean, Affine(scale, centre))
    assert (out.dtype, out.stride()) == (dtype, features.stride())
    near(out, as_map(scale) * centred + as_map(centre), rounding)

    total, product = kernels.gradient_sums(grad, features, mean)
    near(total, grad.double().sum((2, 3)), 1e-5)
    near(product, (grad.double() * centred).sum((2, 3)), 1e-5)

    out = kernels.gradient(grad, scale, features, mean, Affine(style_scale, centre))
    expected = as_map(scale) * grad.double() + as_map(style_scale) * centred + as_map(centre)
    assert (out.dtype, out.stride()) == (dtype, features.stride())
    near(out, expected, rounding)


def check_all() -> None:
    from snr_plugins.nn import kernels

    for programs in (1, 64):  # a channel's pixels in one program; shared out among several
        kernels.PROGRAMS = programs
        for shape in [(2, 5, 7, 9), (1, 70, 50, 60), (1, 3, 1, 2), (2, 3, 1, 1)]:
            for layout in (torch.contiguous_format, torch.channels_last):
                for dtype in (torch.float32, torch.float16):
                    check(shape, layout, dtype)
                check(shape, layout, torch.float16, large=True)


def test_kernels_in_the_interpreter():
    run = subprocess.run(
        [sys.executable, "-c", "from tests.nn.test_kernels import check_all; check_all()"],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
