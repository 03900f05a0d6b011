"""The Triton kernels on a GPU, for ``benchmarks/speed.py``: right, and how near to a copy."""

from __future__ import annotations

import statistics

import torch

from snr_plugins.nn import kernels
from snr_plugins.nn.affine import Affine

TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}
MAPS_MOVED = {"statistics": 1, "affine": 2, "gradient_sums": 2, "gradient": 3}


def compare_kernels(shapes: list[tuple[int, ...]], rounds: int) -> list[dict]:
    """Rows of error and of bandwidth over that of a copy. Exits on a wrong number."""
    print("\nkernels: largest error against float64; bandwidth over a copy's (median)")
    rows = []
    for shape in shapes:
        for layout in (torch.contiguous_format, torch.channels_last):
            for dtype in TOLERANCE:
                rows += _compare(shape, layout, dtype, rounds)
    return rows


def _compare(
    shape: tuple[int, ...], layout: torch.memory_format, dtype: torch.dtype, rounds: int
) -> list[dict]:
    torch.manual_seed(0)
    x, grad = (torch.randn(shape, device="cuda").to(dtype) for _ in range(2))
    x, grad = x.contiguous(memory_format=layout), grad.contiguous(memory_format=layout)
    scale, a, b = torch.randn(3, *shape[:2], device="cuda")
    mean, _ = kernels.statistics(x)
    exact, exact_grad = x.double(), grad.double()
    centred = exact - _map(mean)
    style = _map(a) * centred + _map(b)
    cases = {
        "statistics": (lambda: kernels.statistics(x)[1], exact.var((2, 3), unbiased=False)),
        "affine": (lambda: kernels.affine(x, mean, Affine(a, b)), style),
        "gradient_sums": (
            lambda: kernels.gradient_sums(grad, x, mean)[1],
            (exact_grad * centred).sum((2, 3)),
        ),
        "gradient": (
            lambda: kernels.gradient(grad, scale, x, mean, Affine(a, b)),
            _map(scale) * exact_grad + style,
        ),
    }
    copy_into = torch.empty_like(x)
    rows = []
    for name, (run, expected) in cases.items():
        error = ((run().double() - expected).abs().max() / expected.abs().max()).item()
        if not error <= TOLERANCE[dtype]:
            raise SystemExit(f"error: kernel {name} is wrong by {error:.1e} on {shape} {dtype}")
        shares = []
        for _ in range(rounds):
            copy, kernel = _seconds(lambda: copy_into.copy_(x)), _seconds(run)
            shares.append(MAPS_MOVED[name] / 2 * copy / kernel)
        row = {"kernel": name, "shape": shape, "dtype": str(dtype), "layout": str(layout)}
        row |= {"error": error, "bandwidth": round(statistics.median(shares), 3)}
        rows.append(row)
        print(f"{name:14} {shape!s:22} {dtype!s:16} {error:9.1e} {row['bandwidth']:.2f}  {layout}")
    return rows


def _seconds(run, calls: int = 20) -> float:
    """Device time of one call: many are queued, so that launching them is hidden."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    run()
    start.record()
    for _ in range(calls):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1e3 / calls


def _map(values: torch.Tensor) -> torch.Tensor:
    return values.double()[:, :, None, None]
