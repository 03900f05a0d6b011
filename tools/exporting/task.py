"""A trained network of any framework as an exporter takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from snr_plugins.data.images import check_whole
from snr_plugins.errors import InputError
from snr_plugins.nn import WithStyleDistance

DIVISOR = 32  # of the sides of what is verified with; most backbones' coarsest stride
TRAINED_BY = ("snr_losses", "auxiliary_head")  # the probes; MMSegmentation's second head


class Signature(NamedTuple):
    """What goes in and comes out, as the file will name it.

    Args:
        outputs: their names.
        moving: the axes of the image and of each output whose length is not fixed, with names.
        colours: "BGR" or "RGB", of pixels from 0 to 255.
    """

    outputs: list[str]
    moving: dict[str, dict[int, str]]
    colours: str


class Task(Protocol):
    """A network in evaluation, and how its file is told to compute the same."""

    module: nn.Module  # an image tensor to a tensor, or to a tuple of them
    signature: Signature

    def examples(self, pixels: np.ndarray) -> list[Tensor]:
        """Inputs of several sizes made of one picture, (H, W, 3) in the signature's colours."""

    def expected(self, example: Tensor) -> Sequence[Tensor]:
        """What the model itself puts out, by its framework's own inference."""

    def compare(self, expected: Sequence[Tensor], found: Sequence[Tensor]) -> str:
        """How well they agree, in words.

        Raises:
            InputError: they do not, or there is nothing to compare.
        """


def read_pixels(path: str, colours: str) -> np.ndarray:
    """(H, W, 3) uint8.

    Raises:
        InputError: there is no such picture, or it is cut short.
    """
    pixels = cv2.imread(path)
    if pixels is None:
        raise InputError(f"--image {path} cannot be read; name a picture")
    check_whole(Path(path))
    return pixels if colours == "BGR" else np.ascontiguousarray(pixels[..., ::-1])


def as_tensor(pixels: np.ndarray) -> Tensor:
    """(3, H, W) float of (H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()


class MapTask:
    """For networks that take a batch (N, 3, H, W) and put out tensors of a fixed form.

    See `Task`. A subclass says what ``network`` computes for an image that is not yet normalised.

    Args:
        network: raw pixels to a tensor or a tuple of them.
        outputs: names.
        colours: of the images.
        style_distance: whether the distances of SNRs (N, S) follow as a last output.
    """

    def __init__(
        self, network: nn.Module, outputs: list[str], colours: str, style_distance: bool
    ) -> None:
        module = WithStyleDistance(network) if style_distance else network
        self.module = module.eval()  # the ONNX exporter sets all of it to its mode, and back
        names = [*outputs, "style_distance"] if style_distance else outputs
        axes = {0: "batch", 2: "height", 3: "width"}
        moving = {"image": axes}
        with torch.no_grad():
            sample = flat(self.module(torch.rand(1, 3, 2 * DIVISOR, 2 * DIVISOR)))
        for name, output in zip(names, sample, strict=True):
            own = {
                axis: f"{name}_{word}" for axis, word in axes.items() if axis and output.dim() == 4
            }
            moving[name] = {0: "batch", **own}
        self.signature = Signature(names, moving, colours)

    def examples(self, pixels: np.ndarray) -> list[Tensor]:
        height, width = (max(side // DIVISOR, 2) * DIVISOR for side in pixels.shape[:2])
        whole = as_tensor(cv2.resize(pixels, (width, height)))[None]
        low, narrow = (max(side // 2 // DIVISOR, 2) * DIVISOR for side in (height, width))
        small = as_tensor(cv2.resize(pixels, (narrow, low)))
        return [whole, torch.stack([small, small.flip(2), small.flip(1)])]

    def compare(self, expected: Sequence[Tensor], found: Sequence[Tensor]) -> str:
        differences = [difference(a, b) for a, b in zip(expected, found, strict=True)]
        worst = next(filter(math.isnan, differences), max(differences))  # max passes over NaN
        if not worst < 1e-3:
            raise InputError(f"its outputs differ from the model's by {worst:.2g} of their range")
        return f"outputs within {max(worst, 1e-7):.0e} of their range"


def without_loss(model: nn.Module) -> nn.Module:
    """The model, without what its training alone needs: TorchScript would keep the weights."""
    for name in TRAINED_BY:
        if hasattr(model, name):
            delattr(model, name)
    return model


def difference(expected: Tensor, found: Tensor) -> float:
    """Largest difference over the largest value; infinite where the shapes differ."""
    if expected.shape != found.shape:
        return float("inf")
    return float((expected - found).abs().max() / expected.abs().max().clamp(min=1e-9))


def flat(output: object) -> list[Tensor]:
    """All tensors of nested tuples, lists and dicts, in order."""
    if isinstance(output, Tensor):
        return [output]
    items = output.values() if isinstance(output, dict) else output
    return [tensor for item in items for tensor in flat(item)]  # type: ignore[attr-defined]
