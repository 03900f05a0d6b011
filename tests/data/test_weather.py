"""Fog against its formula, written out pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snr_plugins.data.weather import add_fog, atmospheric_light, ray_length
from snr_plugins.errors import InputError


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    distance = rng.uniform(0, 400, (6, 9))
    distance[0] = np.inf
    return image, distance


def test_fog_is_the_optical_model(scene):
    image, distance = scene
    light = (210.0, 215.0, 220.0)
    foggy = add_fog(image, distance, 0.02, np.array(light))
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            t = math.exp(-0.02 * distance[row, column])
            for channel in range(3):
                clear = int(image[row, column, channel])
                expected = clear * t + light[channel] * (1 - t)
                assert abs(int(foggy[row, column, channel]) - expected) <= 0.5 + 1e-3


def test_fog_of_beta_zero_changes_nothing(scene):
    image, distance = scene
    foggy = add_fog(image, distance, 0.0)
    assert np.array_equal(foggy, image)
    assert foggy is not image


def test_fog_hides_the_sky_altogether(scene):
    image, distance = scene
    foggy = add_fog(image, distance, 0.005, np.array([200.0, 201.0, 202.0]))
    assert (foggy[0] == [200, 201, 202]).all()


def test_light_is_the_colour_of_the_sky_and_not_of_a_bright_speck():
    image = np.full((100, 100, 3), 40, np.uint8)
    image[:40] = (180, 190, 200)
    image[70, 70] = 255  # smaller than the dark channel's window
    assert atmospheric_light(image).tolist() == [180, 190, 200]


def test_light_is_what_fog_uses_when_none_is_given(scene):
    image, distance = scene
    given = add_fog(image, distance, 0.01, atmospheric_light(image))
    assert np.array_equal(add_fog(image, distance, 0.01), given)


def test_ray_length_is_the_norm_of_the_point_seen():
    depth = np.full((4, 6), 10.0)
    lengths = ray_length(depth, fx=5.0, fy=4.0, u0=2.5, v0=1.5)
    for v in range(4):
        for u in range(6):
            point = (10 * (u - 2.5) / 5, 10 * (v - 1.5) / 4, 10)
            assert lengths[v, u] == pytest.approx(math.hypot(*point), rel=1e-6)


@pytest.mark.parametrize(
    ("image", "distance", "beta", "message"),
    [
        (np.zeros((4, 4, 3)), np.ones((4, 4)), 0.01, "uint8"),
        (np.zeros((4, 4), np.uint8), np.ones((4, 4)), 0.01, "height, width, 3"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 5)), 0.01, "each pixel"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4)), -0.01, "0 or more"),
    ],
)
def test_wrong_input_is_named(image, distance, beta, message):
    with pytest.raises(InputError, match=message):
        add_fog(image, distance, beta)
