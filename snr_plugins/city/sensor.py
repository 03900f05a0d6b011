"""From light to picture: exposure, glare, noise, and the rain between lens and street."""

from __future__ import annotations

import cv2
import numpy as np

EXPOSURE = {"clear": 0.88, "night": 2.1, "rain": 0.95}
NOISE = {"clear": 1.2, "night": 5.0, "rain": 2.2}  # standard deviation of mid grey, in 0..255
CLIPPED = 4.0  # radiance that overflows a pixel
# Layers of falling rain: metres from the camera, streaks per megapixel, length as a share of the
# image's height, width in pixels at a height of 256, opacity.
STREAK_LAYERS = (
    (4.0, 900, 0.16, 1.4, 0.26),
    (10.0, 2400, 0.08, 1.0, 0.20),
    (24.0, 5200, 0.04, 0.8, 0.14),
)


def clear_picture(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a scene by day, from radiance of twice the size."""
    return _add_noise(_tone(_shrink(radiance) * EXPOSURE["clear"]), NOISE["clear"], rng)


def night_picture(radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same by night: lamps glare, dark parts are noisy."""
    light = _shrink(radiance)
    height = light.shape[0]
    excess = np.maximum(light - 0.7, 0)
    glare = sum(
        share * cv2.GaussianBlur(excess, (0, 0), height * size)
        for share, size in ((0.5, 0.008), (0.35, 0.025), (0.25, 0.07))
    )
    picture = _tone((light + glare) * EXPOSURE["night"])
    return _add_noise(picture, NOISE["night"], rng, read_noise=0.75)


def rain_picture(radiance: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same in rain: streaks in front of what lies behind them, drops on the windscreen.

    Args:
        depth: (H, W), metres, 0 for sky.
    """
    light = _shrink(radiance)
    height = light.shape[0]
    excess = np.maximum(light - 0.75, 0)
    light = light + 0.5 * cv2.GaussianBlur(excess, (0, 0), height * 0.02)
    light = cv2.GaussianBlur(light, (0, 0), height * 0.0022)
    distance = np.where(depth > 0, depth, np.inf)
    slant = rng.normal(0, 0.12)
    for layer in STREAK_LAYERS:
        light = _streaks(light, distance, layer, slant, rng)
    picture = _tone(_drops(light, rng) * EXPOSURE["rain"])
    return _add_noise(picture, NOISE["rain"], rng)


def _shrink(radiance: np.ndarray) -> np.ndarray:
    """Average over the samples of each pixel."""
    height, width = radiance.shape[0] // 2, radiance.shape[1] // 2
    clipped = np.minimum(radiance, CLIPPED)
    return cv2.resize(clipped, (width, height), interpolation=cv2.INTER_AREA)


def _tone(light: np.ndarray) -> np.ndarray:
    """Filmic curve (K. Narkowicz's fit of the ACES reference) and display gamma; float in 0..1."""
    curve = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.clip(curve, 0, 1) ** np.float32(1 / 2.2)


def _add_noise(
    picture: np.ndarray, deviation: float, rng: np.random.Generator, read_noise: float = 0.4
) -> np.ndarray:
    """Grain that is the same in all colours by half, and quantisation to uint8.

    Args:
        read_noise: share of the grain that also black has.
    """
    grain = rng.standard_normal(picture.shape, np.float32)
    grain = 0.7 * grain + 0.7 * rng.standard_normal((*picture.shape[:2], 1), np.float32)
    strength = deviation * (read_noise + (1 - read_noise) * np.sqrt(picture) * 1.4)
    return np.clip(np.rint(255 * picture + strength * grain), 0, 255).astype(np.uint8)


def _streaks(
    light: np.ndarray,
    distance: np.ndarray,
    layer: tuple[float, int, float, float, float],
    slant: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Blend one layer of falling drops over everything that lies behind it."""
    metres, per_megapixel, length, thickness, opacity = layer
    height, width = distance.shape
    count = round(per_megapixel * height * width / 1e6)
    start = rng.uniform((-0.05 * width, -length * height), (1.05 * width, height), (count, 2))
    reach = height * length * rng.uniform(0.5, 1.3, count)
    lean = slant + rng.normal(0, 0.03, count)
    end = start + np.stack([reach * lean, reach], axis=1)
    mask = np.zeros((height, width), np.uint8)
    lines = np.round(np.stack([start, end], axis=1) * 16).astype(np.int32)
    strength = rng.integers(90, 256, count)
    line_width = max(1, round(thickness * height / 256))
    for line, value in zip(lines, strength, strict=True):
        cv2.line(mask, line[0].tolist(), line[1].tolist(), int(value), line_width, cv2.LINE_AA, 4)
    # Streaks nearer to the lens are further out of focus.
    blurred = cv2.GaussianBlur(mask, (0, 0), max(0.3, 2.2 / metres) * height / 256)
    alpha = opacity * blurred.astype(np.float32)[..., None] / 255 * (distance > metres)[..., None]
    return light * (1 - alpha) + alpha * (0.55 + 0.35 * light.mean())


def _drops(light: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drops on the glass show a small, blurred, upside-down view of what is around them."""
    height, width = light.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    at_x, at_y = columns.copy(), rows.copy()
    inside = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(10, 26))):
        radius = height * rng.uniform(0.008, 0.028)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        from_centre = np.hypot(columns - x, (rows - y) * rng.uniform(0.75, 1.0)) / radius
        drop = from_centre < 1
        at_x[drop] = x - (columns[drop] - x) * 2.6
        at_y[drop] = y - (rows[drop] - y) * 2.6
        inside[drop] = np.clip((1 - from_centre[drop]) * 3, 0, 1)
    soft = cv2.GaussianBlur(light, (0, 0), height * 0.006)
    bent = cv2.remap(soft, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    alpha = cv2.GaussianBlur(inside, (0, 0), height * 0.003)[..., None] * 0.8
    return light * (1 - alpha) + bent * alpha
