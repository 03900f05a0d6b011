"""Fog by the standard optical model, as used for Foggy Cityscapes.

    I(x) = J(x) t(x) + L (1 - t(x)),    t(x) = exp(-beta * distance(x))

with the clear image J, the atmospheric light L and the distance between camera and object. The
distance is the length of the line of sight, not the depth along the optical axis: at the corners of
a Cityscapes image the two differ by a tenth.
"""

from __future__ import annotations

import cv2
import numpy as np

from snr_plugins.errors import InputError

DARK_CHANNEL_WINDOW = 15  # pixels
DARK_CHANNEL_TOP = 0.001  # share of the pixels that the light is estimated from


def ray_length(depth: np.ndarray, fx: float, fy: float, u0: float, v0: float) -> np.ndarray:
    """Distance from the camera for depth along the optical axis.

    Args:
        depth: (H, W), metres; infinity stays infinity.
        fx, fy, u0, v0: of the pinhole camera in pixels; the centre of the top left pixel is (0, 0).

    Returns:
        (H, W) float32, metres.
    """
    rows, columns = depth.shape
    u = (np.arange(columns, dtype=np.float32) - np.float32(u0)) / np.float32(fx)
    v = (np.arange(rows, dtype=np.float32) - np.float32(v0)) / np.float32(fy)
    return depth.astype(np.float32) * np.sqrt(1 + u[None] ** 2 + v[:, None] ** 2)


def atmospheric_light(image: np.ndarray) -> np.ndarray:
    """Estimate the colour of the light that fog would scatter, from the image itself.

    The dark channel is the smallest of the three colours within a window around each pixel; where
    it is largest, all colours are bright, as in the sky. The estimate is the median colour of the
    pixels that make up the brightest 0.1 % of the dark channel (at least one pixel).

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (3,) float32, RGB in 0..255.
    """
    _check_image(image)
    window = np.ones((DARK_CHANNEL_WINDOW, DARK_CHANNEL_WINDOW), np.uint8)
    dark = cv2.erode(image.min(axis=2), window).ravel()
    count = max(1, round(DARK_CHANNEL_TOP * dark.size))
    # A stable sort: which of several equal pixels are taken must not vary.
    brightest = np.argsort(dark, kind="stable")[-count:]
    return np.median(image.reshape(-1, 3)[brightest], axis=0).astype(np.float32)


def add_fog(
    image: np.ndarray, distance_m: np.ndarray, beta: float, light: np.ndarray | None = None
) -> np.ndarray:
    """Put homogeneous fog over a clear image.

    Args:
        image: (H, W, 3) uint8, RGB.
        distance_m: (H, W), metres from the camera; infinity for sky.
        beta: attenuation per metre; 0.005, 0.01 and 0.02 in Foggy Cityscapes, where one sees about
            600, 300 and 150 m far.
        light: (3,), RGB in 0..255; estimated by `atmospheric_light` where None.

    Returns:
        (H, W, 3) uint8; the image itself, copied, for beta 0.

    Raises:
        InputError: wrong type or shape of the image or the distance, or a negative beta.
    """
    _check_image(image)
    if distance_m.shape != image.shape[:2]:
        raise InputError(
            f"The distance has shape {distance_m.shape}, the image {image.shape[:2]}: "
            "give one distance for each pixel."
        )
    if not beta >= 0:
        raise InputError(f"beta is {beta}: give an attenuation per metre of 0 or more.")
    if beta == 0:
        return image.copy()
    if light is None:
        light = atmospheric_light(image)
    light = np.asarray(light, np.float32)
    transmission = np.exp(-np.float32(beta) * distance_m.astype(np.float32))[..., None]
    foggy = image.astype(np.float32) * transmission + light * (1 - transmission)
    return np.clip(np.rint(foggy), 0, 255).astype(np.uint8)


def _check_image(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"The image has shape {image.shape} and type {image.dtype}: "
            "give (height, width, 3) of type uint8."
        )
