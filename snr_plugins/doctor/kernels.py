"""The walks over a map, as they run on a device, against their formulas in float64."""

from __future__ import annotations

import torch
from torch import Tensor

from snr_plugins.nn import walks
from snr_plugins.nn.affine import Affine

SHAPES = ((2, 5, 7, 9), (1, 70, 50, 60), (2, 3, 1, 1))
LAYOUTS = (torch.contiguous_format, torch.channels_last)
# half: what is written is rounded, half a unit in the last place
ROUNDING = {torch.float32: 4e-6, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def wrong_walks(device: str) -> list[str]:
    """Walks, types and layouts that are not their formula on ``device``; empty if all is well."""
    wrong = []
    for dtype, rounding in ROUNDING.items():
        for layout in LAYOUTS:
            worst: dict[str, float] = {}
            for shape in SHAPES:
                for name, error in _errors(device, shape, dtype, layout).items():
                    worst[name] = max(worst.get(name, 0.0), error)
            kind = f"{str(dtype).removeprefix('torch.')}, {str(layout).removeprefix('torch.')}"
            wrong += [f"{n} ({kind}): off by {e:.1e}" for n, e in worst.items() if not e < rounding]
    return wrong


def _errors(
    device: str, shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format
) -> dict[str, float]:
    """Largest error of each walk, as a share of what it is summed from."""
    generator = torch.Generator().manual_seed(0)
    x, grad = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
    mean, scale, centre, style = torch.randn((4, *shape[:2]), generator=generator)
    exact, exact_grad, centred = x.double(), grad.double(), x.double() - _map(mean)
    x, grad = (t.to(device).contiguous(memory_format=layout) for t in (x, grad))
    mean, scale, centre, style = (t.to(device) for t in (mean, scale, centre, style))
    affine = Affine(scale, centre)
    outputs = {
        "mean": (walks.statistics(x)[0], exact.mean((2, 3))),
        "variance": (walks.statistics(x)[1], exact.var((2, 3), correction=0)),
        "affine": (
            walks.affine(x, mean, affine),
            _map(scale) * centred.to(device) + _map(centre),
        ),
        "gradient sum": (walks.gradient_sums(grad, x, mean)[0], exact_grad.sum((2, 3))),
        "gradient product": (
            walks.gradient_sums(grad, x, mean)[1],
            (exact_grad * centred).sum((2, 3)),
        ),
        "gradient": (
            walks.gradient(grad, style, x, mean, affine),
            _map(style) * exact_grad.to(device) + _map(scale) * centred.to(device) + _map(centre),
        ),
    }
    return {name: _error(*pair) for name, pair in outputs.items()}


def _error(got: Tensor, expected: Tensor) -> float:
    difference = (got.double().cpu() - expected.cpu()).abs().max()
    return float(difference / expected.abs().max().clamp(min=1))


def _map(values: Tensor) -> Tensor:
    return values.double()[:, :, None, None]
