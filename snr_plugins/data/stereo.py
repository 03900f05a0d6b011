"""From Cityscapes' disparity and camera files to the distance of every pixel.

    <root>/disparity/<split>/<city>/<stem>_disparity.png    16 bit: 256 d + 1; 0 where unknown
    <root>/camera/<split>/<city>/<stem>_camera.json         baseline in metres, focal lengths

A disparity that was matched between two images has holes, where one camera cannot see or where
nothing tells two places apart, and wild matches. Both are mended with the image as guide: what
looks alike and lies close together is at a like distance.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from snr_plugins.data.files import read_ids
from snr_plugins.data.weather import ray_length
from snr_plugins.errors import InputError

DISPARITY_STEPS = 256  # a pixel

# Lengths for Cityscapes' width; they shrink with the image.
REFERENCE_WIDTH = 2048
NEAR = 20.0  # pixels over which an estimate looks around, to tell wild matches
FAR = 100.0  # pixels over which holes are filled
FINE = 5.0  # pixels over which the noise of the matching is smoothed
COLOUR = 0.05  # a step of this share of full scale counts as much as the whole length
WILD = 0.15  # share of the estimate by which a match may differ, and at least
WILD_PIXELS = 1.0
PASSES = 3


@dataclass(frozen=True)
class StereoCamera:
    """Baseline in metres; focal lengths and principal point in pixels."""

    baseline: float
    fx: float
    fy: float
    u0: float
    v0: float


def read_camera(path: Path) -> StereoCamera:
    """A camera file of Cityscapes.

    Raises:
        InputError: the file cannot be read, or lacks a number.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        camera = StereoCamera(
            float(content["extrinsic"]["baseline"]),
            *(float(content["intrinsic"][key]) for key in ("fx", "fy", "u0", "v0")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no camera file of Cityscapes ({error!r}): copy it again."
        ) from error
    if min(camera.baseline, camera.fx, camera.fy) <= 0:
        raise InputError(f"{path}: baseline, fx and fy must be positive: copy it again.")
    return camera


def read_disparity(path: Path) -> np.ndarray:
    """(H, W) float32 in pixels, NaN where unknown.

    Raises:
        InputError: the file cannot be read or is not of 16 bits.
    """
    stored = read_ids(path)
    if stored.dtype == np.uint8:
        raise InputError(f"{path} has 8 bits: use Cityscapes' own disparity, which has 16.")
    disparity = (stored.astype(np.float32) - 1) / DISPARITY_STEPS
    disparity[stored == 0] = np.nan
    return disparity


def complete_distance(
    disparity: np.ndarray,
    image: np.ndarray,
    camera: StereoCamera,
    sky: np.ndarray | None = None,
) -> np.ndarray:
    """Distance of every pixel along its line of sight.

    Args:
        disparity: (H, W), pixels; NaN where unknown.
        image: (H, W, 3) uint8.
        camera: of the image.
        sky: (H, W) bool, pixels that are infinitely far, whatever the disparity says there; a
            matcher finds something in a plain sky too. None: nothing is known of the sky.

    Returns:
        (H, W) float32, metres; infinity for sky.

    Raises:
        InputError: sizes differ, or no pixel has a disparity.
    """
    if disparity.shape != image.shape[:2]:
        raise InputError(
            f"The disparity has shape {disparity.shape}, the image {image.shape[:2]}: give both of "
            "the same frame and size."
        )
    if sky is None:
        sky = np.zeros(disparity.shape, bool)
    known = np.isfinite(disparity) & ~sky
    if not known.any() and not sky.all():
        raise InputError("No pixel has a disparity: the file is empty, copy or download it again.")
    scale = disparity.shape[1] / REFERENCE_WIDTH
    # The matching's grain must not look like an edge.
    steps = _Steps(cv2.GaussianBlur(image, (0, 0), max(1.5 * scale, 0.5)))
    estimate = steps.average(disparity, known, NEAR * scale)
    wild = np.abs(disparity - estimate) > np.maximum(WILD_PIXELS * scale, WILD * estimate)
    known &= ~wild
    filled = np.where(known, disparity, steps.average(disparity, known, FAR * scale))
    smooth = steps.average(filled, ~sky, FINE * scale)
    with np.errstate(divide="ignore"):
        depth = camera.baseline * camera.fx / np.where(sky, 0, smooth).clip(0)
    return ray_length(depth, camera.fx, camera.fy, camera.u0, camera.v0)


class _Steps:
    """How much an image changes from each pixel to the next, and averages that stop at changes.

    The recursive form of the domain transform (Gastal and Oliveira, SIGGRAPH 2011): two pixels
    count for each other by the sum of the changes between them, along rows and columns in turn.
    Weights are averaged along with values, so that unknown pixels take no part but receive.
    """

    def __init__(self, image: np.ndarray) -> None:
        scaled = image.astype(np.float32) / 255
        self.changes = [np.abs(np.diff(scaled, axis=axis)).sum(2) for axis in (0, 1)]

    def average(self, values: np.ndarray, known: np.ndarray, length: float) -> np.ndarray:
        """(H, W) float64: mean of the known values around each pixel, over about ``length``."""
        total = np.where(known, values, 0).astype(np.float64)
        weight = known.astype(np.float64)
        for index in range(PASSES):
            # lengths that halve, their squares summing to length's: no stripes are left
            share = length * np.sqrt(3) * 2 ** (PASSES - 1 - index) / np.sqrt(4**PASSES - 1)
            for axis in (1, 0):
                kept = np.exp(-np.sqrt(2) / share * (1 + length / COLOUR * self.changes[axis]))
                total, weight = (_both_ways(part, kept, axis) for part in (total, weight))
        return total / np.maximum(weight, np.finfo(np.float64).tiny)


def _both_ways(values: np.ndarray, kept: np.ndarray, axis: int) -> np.ndarray:
    """Each value plus its neighbours' sums along the axis, less what each step does not keep."""
    values, kept = np.moveaxis(values, axis, 0), np.moveaxis(kept, axis, 0)
    forward, backward = values.copy(order="C"), values.copy(order="C")
    for i in range(1, len(values)):
        forward[i] += kept[i - 1] * forward[i - 1]
        backward[-1 - i] += kept[-i] * backward[-i]
    return np.moveaxis(forward + backward - values, 0, axis)
