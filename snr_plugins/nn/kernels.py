"""The walks of :mod:`snr_plugins.nn.walks` as Triton kernels, for CUDA maps.

All four see a map as (image, channel, pixel) with the strides of its own layout, and work on tiles
of pixels x channels: one channel and many pixels where the map is contiguous, channels beside each
other where it is channels_last, so that neighbouring threads read neighbouring numbers. Every sum
is taken in float32. Where images and channels are too few to fill the device, a channel's pixels
are shared out among programs, whose results are combined afterwards.

``benchmarks/speed.py`` (``make bench-gpu``) checks and times them on a GPU; the tests run them in
Triton's interpreter.
"""

# No `from __future__ import annotations`: Triton must see tl.constexpr itself, not its name.

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from snr_plugins.nn.affine import Affine

# A device of about a hundred multiprocessors is busy with this many programs.
PROGRAMS = 1024


class Tiles(NamedTuple):
    """How a map is walked: the kernels' trailing arguments, in their order."""

    channels: int
    pixels: int
    stride_n: int
    stride_c: int
    stride_p: int
    splits: int
    steps: int  # tiles of pixels in a split
    block_p: int
    block_c: int


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`snr_plugins.nn.walks.statistics`."""
    n, c, _, _ = features.shape
    grid, tiles = _tiles(features)
    means = torch.empty((n, c, tiles.splits), device=features.device)
    squares = torch.empty_like(means)  # sum of (F - mean)^2
    with torch.cuda.device_of(features):
        _statistics[grid](features, means, squares, *tiles)
    if tiles.splits == 1:
        return means[:, :, 0], squares[:, :, 0] / tiles.pixels
    per_split = tiles.steps * tiles.block_p
    starts = torch.arange(tiles.splits, device=features.device) * per_split
    share = (tiles.pixels - starts).clamp(max=per_split) / tiles.pixels
    mean = (means * share).sum(2)
    # Chan's parallel variance: that within the parts plus that between their means
    between = ((means - mean[:, :, None]).square() * share).sum(2)
    return mean, squares.sum(2) / tiles.pixels + between


def affine(features: Tensor, mean: Tensor, transform: Affine, inplace: bool = False) -> Tensor:
    """As :func:`snr_plugins.nn.walks.affine`."""
    out = features if inplace else torch.empty_like(features)
    grid, tiles = _tiles(features)
    scale, centre = (values.contiguous() for values in transform)
    with torch.cuda.device_of(features):
        _affine[grid](features, out, mean.contiguous(), scale, centre, *tiles)
    return out


def gradient_sums(grad: Tensor, features: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`snr_plugins.nn.walks.gradient_sums`."""
    n, c, _, _ = features.shape
    grid, tiles = _tiles(features)
    grad = _laid_out_like(features, grad)
    totals = torch.empty((n, c, tiles.splits), device=features.device)
    products = torch.empty_like(totals)
    with torch.cuda.device_of(features):
        _gradient_sums[grid](grad, features, mean.contiguous(), totals, products, *tiles)
    return totals.sum(2), products.sum(2)


def gradient(grad: Tensor, scale: Tensor, features: Tensor, mean: Tensor, style: Affine) -> Tensor:
    """As :func:`snr_plugins.nn.walks.gradient`."""
    out = torch.empty_like(features)
    grid, tiles = _tiles(features)
    grad = _laid_out_like(features, grad)
    small = [values.contiguous() for values in (scale, mean, *style)]
    with torch.cuda.device_of(features):
        _gradient[grid](grad, features, out, *small, *tiles)
    return out


def is_channels_last(features: Tensor) -> bool:
    """Whether the map is dense with its channels beside each other, and not also contiguous."""
    return not features.is_contiguous() and features.is_contiguous(
        memory_format=torch.channels_last
    )


def _tiles(features: Tensor) -> tuple[tuple[int, int, int], Tiles]:
    """The grid of programs (image, block of channels, split of pixels) and its tiles."""
    n, channels, height, width = features.shape
    pixels = height * width
    beside = is_channels_last(features)
    block_c = min(triton.next_power_of_2(channels), 64) if beside else 1
    block_p = 2048 // block_c if beside else min(triton.next_power_of_2(pixels), 2048)
    blocks = triton.cdiv(channels, block_c)
    splits = min(triton.cdiv(PROGRAMS, n * blocks), triton.cdiv(pixels, block_p))
    steps = triton.cdiv(triton.cdiv(pixels, splits), block_p)
    splits = triton.cdiv(pixels, steps * block_p)  # rounding up may have left the last ones empty
    strides = (channels * pixels, 1, channels) if beside else (channels * pixels, pixels, 1)
    return (n, blocks, splits), Tiles(channels, pixels, *strides, splits, steps, block_p, block_c)


def _laid_out_like(features: Tensor, grad: Tensor) -> Tensor:
    last = is_channels_last(features)
    return grad.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


@triton.jit
def _statistics(  # type: ignore[no-untyped-def]
    x_ptr, mean_ptr, square_ptr,
    channels, pixels, stride_n, stride_c, stride_p, splits, steps,
    BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    split = tl.program_id(2)
    base = x_ptr + image * stride_n
    p = split * steps * BLOCK_P + tl.arange(0, BLOCK_P)
    count = tl.zeros([BLOCK_C], dtype=tl.float32)
    mean = tl.zeros([BLOCK_C], dtype=tl.float32)
    square = tl.zeros([BLOCK_C], dtype=tl.float32)
    for _ in range(0, steps):
        inside = tl.expand_dims(p < pixels, 1) & tl.expand_dims(c < channels, 0)
        offsets = tl.expand_dims(p, 1) * stride_p + tl.expand_dims(c, 0) * stride_c
        x = tl.load(base + offsets, mask=inside, other=0.0).to(tl.float32)
        here = tl.sum(inside.to(tl.float32), axis=0)
        tile_mean = tl.sum(x, axis=0) / tl.where(here > 0, here, 1.0)  # the last may be empty
        centred = tl.where(inside, x - tl.expand_dims(tile_mean, 0), 0.0)
        # Chan's update: joins (count, mean, square) of the tile to those of the tiles before
        delta = tile_mean - mean
        total = count + here
        share = here / tl.where(total > 0, total, 1.0)
        mean += delta * share
        square += tl.sum(centred * centred, axis=0) + delta * delta * count * share
        count = total
        p += BLOCK_P
    index = (image * channels + c) * splits + split
    tl.store(mean_ptr + index, mean, mask=c < channels)
    tl.store(square_ptr + index, square, mask=c < channels)


@triton.jit
def _affine(  # type: ignore[no-untyped-def]
    x_ptr, out_ptr, mean_ptr, scale_ptr, centre_ptr,
    channels, pixels, stride_n, stride_c, stride_p, splits, steps,
    BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    p = tl.program_id(2) * steps * BLOCK_P + tl.arange(0, BLOCK_P)
    index = image * channels + c
    mean = tl.load(mean_ptr + index, mask=c < channels, other=0.0)
    scale = tl.load(scale_ptr + index, mask=c < channels, other=0.0)
    centre = tl.load(centre_ptr + index, mask=c < channels, other=0.0)
    for _ in range(0, steps):
        inside = tl.expand_dims(p < pixels, 1) & tl.expand_dims(c < channels, 0)
        offsets = (
            image * stride_n + tl.expand_dims(p, 1) * stride_p + tl.expand_dims(c, 0) * stride_c
        )
        x = tl.load(x_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        out = tl.expand_dims(scale, 0) * (x - tl.expand_dims(mean, 0)) + tl.expand_dims(centre, 0)
        tl.store(out_ptr + offsets, out.to(out_ptr.dtype.element_ty), mask=inside)
        p += BLOCK_P


@triton.jit
def _gradient_sums(  # type: ignore[no-untyped-def]
    grad_ptr, x_ptr, mean_ptr, total_ptr, product_ptr,
    channels, pixels, stride_n, stride_c, stride_p, splits, steps,
    BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    split = tl.program_id(2)
    p = split * steps * BLOCK_P + tl.arange(0, BLOCK_P)
    mean = tl.load(mean_ptr + image * channels + c, mask=c < channels, other=0.0)
    total = tl.zeros([BLOCK_C], dtype=tl.float32)
    product = tl.zeros([BLOCK_C], dtype=tl.float32)
    for _ in range(0, steps):
        inside = tl.expand_dims(p < pixels, 1) & tl.expand_dims(c < channels, 0)
        offsets = (
            image * stride_n + tl.expand_dims(p, 1) * stride_p + tl.expand_dims(c, 0) * stride_c
        )
        # outside the map the gradient is 0, so whatever stands for x there adds nothing
        grad = tl.load(grad_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        total += tl.sum(grad, axis=0)
        product += tl.sum(grad * (x - tl.expand_dims(mean, 0)), axis=0)
        p += BLOCK_P
    index = (image * channels + c) * splits + split
    tl.store(total_ptr + index, total, mask=c < channels)
    tl.store(product_ptr + index, product, mask=c < channels)


@triton.jit
def _gradient(  # type: ignore[no-untyped-def]
    grad_ptr, x_ptr, out_ptr, scale_ptr, mean_ptr, style_scale_ptr, style_centre_ptr,
    channels, pixels, stride_n, stride_c, stride_p, splits, steps,
    BLOCK_P: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    p = tl.program_id(2) * steps * BLOCK_P + tl.arange(0, BLOCK_P)
    index = image * channels + c
    scale = tl.load(scale_ptr + index, mask=c < channels, other=0.0)
    mean = tl.load(mean_ptr + index, mask=c < channels, other=0.0)
    style_scale = tl.load(style_scale_ptr + index, mask=c < channels, other=0.0)
    style_centre = tl.load(style_centre_ptr + index, mask=c < channels, other=0.0)
    for _ in range(0, steps):
        inside = tl.expand_dims(p < pixels, 1) & tl.expand_dims(c < channels, 0)
        offsets = (
            image * stride_n + tl.expand_dims(p, 1) * stride_p + tl.expand_dims(c, 0) * stride_c
        )
        grad = tl.load(grad_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        x = tl.load(x_ptr + offsets, mask=inside, other=0.0).to(tl.float32)
        out = tl.expand_dims(style_scale, 0) * (x - tl.expand_dims(mean, 0)) + tl.expand_dims(
            style_centre, 0
        )
        out += tl.expand_dims(scale, 0) * grad
        tl.store(out_ptr + offsets, out.to(out_ptr.dtype.element_ty), mask=inside)
        p += BLOCK_P
