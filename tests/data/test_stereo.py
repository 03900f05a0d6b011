"""Disparity to distance: files by hand, holes and wild matches in a scene that is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from snr_plugins.data.stereo import (
    StereoCamera,
    complete_distance,
    read_camera,
    read_disparity,
)
from snr_plugins.errors import InputError

HEIGHT, WIDTH = 64, 128
CAMERA = StereoCamera(baseline=0.2, fx=1000.0, fy=1000.0, u0=63.5, v0=31.5)
NEAR, FAR = 20.0, 4.0  # disparities of 10 and 50 m


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A red object before a green wall: (image, disparity); both flat, facing the camera."""
    near = np.zeros((HEIGHT, WIDTH), bool)
    near[20:50, 40:90] = True
    image = np.where(near[..., None], (200, 40, 40), (40, 160, 60)).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 1, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image, np.where(near, NEAR, FAR).astype(np.float32)


def along_the_ray(depth: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (columns - CAMERA.u0) / CAMERA.fx, (rows - CAMERA.v0) / CAMERA.fy
    return np.sqrt((x * depth) ** 2 + (y * depth) ** 2 + depth**2)


def away_from_the_edge(disparity: np.ndarray) -> np.ndarray:
    """Pixels whose neighbours have the same disparity: an edge is smoothed over."""
    inside = np.ones(disparity.shape, bool)
    for axis in (0, 1):
        for shift in (-2, -1, 1, 2):
            inside &= np.roll(disparity, shift, axis) == disparity
    return inside


def test_without_holes_it_is_plain_triangulation(scene):
    image, disparity = scene
    expected = along_the_ray(0.2 * 1000 / disparity)
    inside = away_from_the_edge(disparity)
    distance = complete_distance(disparity, image, CAMERA)
    np.testing.assert_allclose(distance[inside], expected[inside], rtol=0.02)


def test_a_hole_takes_the_distance_of_what_looks_like_it(scene):
    image, truth = scene
    disparity = truth.copy()
    disparity[30:40, 30:60] = np.nan  # over the object's left border
    disparity[:, :8] = np.nan  # where the other camera does not see
    distance = complete_distance(disparity, image, CAMERA)
    inside = away_from_the_edge(truth)
    expected = along_the_ray(0.2 * 1000 / truth)
    np.testing.assert_allclose(distance[inside], expected[inside], rtol=0.02)


def test_a_wild_match_is_dropped(scene):
    image, truth = scene
    disparity = truth.copy()
    disparity[5:8, 100:103] = 40.0  # the wall is at 4
    inside = away_from_the_edge(truth)
    expected = along_the_ray(0.2 * 1000 / truth)
    distance = complete_distance(disparity, image, CAMERA)
    np.testing.assert_allclose(distance[inside], expected[inside], rtol=0.03)


def test_sky_is_infinite_and_does_not_reach_below_itself(scene):
    image, truth = scene
    sky = np.zeros(truth.shape, bool)
    sky[:10] = True
    disparity = np.where(sky, 3.0, truth).astype(np.float32)  # a matcher finds something there too
    disparity[10:14] = np.nan
    distance = complete_distance(disparity, image, CAMERA, sky)
    assert np.isinf(distance[sky]).all()
    assert np.isfinite(distance[~sky]).all()
    np.testing.assert_allclose(distance[12, 64], 50, rtol=0.02)
    everywhere = complete_distance(disparity, image, CAMERA, np.ones_like(sky))
    assert np.isinf(everywhere).all()


def test_lengths_shrink_with_the_image(scene):
    """Twice as large in every respect: the same distances."""
    image, truth = scene
    disparity = truth.copy()
    disparity[30:40, 30:60] = np.nan
    small = complete_distance(disparity, image, CAMERA)
    double = StereoCamera(0.2, 2000.0, 2000.0, 127.5, 63.5)
    large = complete_distance(
        2 * disparity.repeat(2, 0).repeat(2, 1), image.repeat(2, 0).repeat(2, 1), double
    )
    inside = away_from_the_edge(truth)
    np.testing.assert_allclose(large[::2, ::2][inside], small[inside], rtol=0.03)


def test_files_by_hand(tmp_path):
    stored = np.array([[0, 1, 257, 3 * 256 + 129]], np.uint16)
    Image.fromarray(stored).save(tmp_path / "disparity.png")
    np.testing.assert_array_equal(read_disparity(tmp_path / "disparity.png"), [[np.nan, 0, 1, 3.5]])
    content = {
        "extrinsic": {"baseline": 0.2, "pitch": 0.1},
        "intrinsic": {"fx": 1000, "fy": 1000, "u0": 63.5, "v0": 31.5},
    }
    (tmp_path / "camera.json").write_text(json.dumps(content))
    assert read_camera(tmp_path / "camera.json") == CAMERA


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"extrinsic": {"baseline": 1}}', '{"extrinsic": {"baseline": "far"}}'],
)
def test_a_damaged_camera_file_is_named(tmp_path, content):
    (tmp_path / "camera.json").write_text(content)
    with pytest.raises(InputError, match=r"camera\.json is no camera file of Cityscapes"):
        read_camera(tmp_path / "camera.json")


def test_wrong_disparity_is_named(tmp_path, scene):
    image, disparity = scene
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "grey.png")
    with pytest.raises(InputError, match=r"grey\.png has 8 bits"):
        read_disparity(tmp_path / "grey.png")
    with pytest.raises(InputError, match=r"disparity has shape \(63, 128\)"):
        complete_distance(disparity[1:], image, CAMERA)
    with pytest.raises(InputError, match="No pixel has a disparity"):
        complete_distance(np.full_like(disparity, np.nan), image, CAMERA)
