"""The few solids that every object of the city is built from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from snr_plugins.city.mesh import (
    Colour,
    Material,
    Mesh,
    Point,
    cross,
    join,
    quads,
    triangles,
)

_BOX_FACES = np.array(
    [[3, 2, 1, 0], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
)


def box(
    centre: Point,
    size: Point,
    colour: Colour,
    material: Material = Material.PLAIN,
    taper: tuple[float, float] = (1.0, 1.0),
) -> Mesh:
    """A box that stands on its centre's y; ``taper`` scales the top in x and z."""
    x = np.array([-0.5, 0.5, 0.5, -0.5]) * size[0]
    z = np.array([-0.5, -0.5, 0.5, 0.5]) * size[2]
    bottom = np.stack([x, np.zeros(4), z], axis=1)
    top = np.stack([x * taper[0], np.full(4, size[1]), z * taper[1]], axis=1)
    return quads((np.concatenate([bottom, top]) + centre)[_BOX_FACES], colour, material)


def loft(sections: np.ndarray, colour: Colour, material: Material = Material.PLAIN) -> Mesh:
    """Skin over (S, P, 3) open cross-sections, closed across the two ends."""
    sections = np.asarray(sections, np.float32)
    skin = np.stack(
        [sections[:-1, :-1], sections[:-1, 1:], sections[1:, 1:], sections[1:, :-1]], axis=2
    ).reshape(-1, 4, 3)
    caps = []
    for end in (sections[0], sections[-1]):
        fan = np.stack([np.broadcast_to(end[0], end[1:-1].shape), end[1:-1], end[2:]], axis=1)
        caps.append(triangles(fan, colour, material))
    return join([quads(skin, colour, material), *caps])


@lru_cache(maxsize=16)
def _circle(sides: int) -> np.ndarray:
    angle = np.arange(sides) * (2 * np.pi / sides)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@lru_cache(maxsize=16)
def _unit_cylinder(sides: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of a closed cylinder of radius one along the third axis, from 0 to 1.

    Returns:
        (4 sides, 3, 3) corners, walls before caps, and the same array's normals.
    """
    low = np.concatenate([_circle(sides), np.zeros((sides, 1))], axis=1)
    outward = low.copy()
    high = low + [0, 0, 1]
    following = np.roll(np.arange(sides), -1)
    centre_low, centre_high = np.zeros_like(low), np.zeros_like(low) + [0, 0, 1]
    corners = [
        np.stack([low, low[following], high[following]], axis=1),
        np.stack([low, high[following], high], axis=1),
        np.stack([centre_low, low[following], low], axis=1),
        np.stack([centre_high, high, high[following]], axis=1),
    ]
    normals = [
        np.stack([outward, outward[following], outward[following]], axis=1),
        np.stack([outward, outward[following], outward], axis=1),
        np.full((sides, 3, 3), [0.0, 0.0, -1.0]),
        np.full((sides, 3, 3), [0.0, 0.0, 1.0]),
    ]
    return np.concatenate(corners), np.concatenate(normals)


def _axes_across(direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that are perpendicular to ``direction`` and to each other.

    For an upright direction the first is x and the second z, but for its sign.
    """
    helper = np.array([0.0, 0.0, 1.0]) if abs(direction[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    first = cross(direction, helper)
    first /= np.sqrt(first @ first)
    return first, cross(direction, first)


def cylinder(
    start: Point,
    end: Point,
    radius: float | tuple[float, float],
    colour: Colour,
    material: Material = Material.PLAIN,
    sides: int = 8,
    flatten: float = 1.0,
) -> Mesh:
    """A round bar with closed ends.

    Args:
        radius: one radius, or the radii at start and end.
        flatten: factor on the extent along the second cross axis (z for upright bars).
    """
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = end - start
    direction = along / np.sqrt(along @ along)
    first, second = _axes_across(direction)
    corners, normals = _unit_cylinder(sides)
    radius_start, radius_end = radius if isinstance(radius, tuple) else (radius, radius)
    width = radius_start + (radius_end - radius_start) * corners[..., 2:]
    positions = start + corners[..., 2:] * along
    positions = positions + width * (corners[..., :2] @ np.stack([first, second * flatten]))
    turned = normals @ np.stack([first * flatten, second, direction])
    turned /= np.sqrt((turned**2).sum(axis=2, keepdims=True))
    return triangles(positions, colour, material, normals=turned)


def disc(
    centre: Point, normal: Point, radius: float, colour: Colour, material=Material.PLAIN, sides=14
) -> Mesh:
    """A flat round plate."""
    centre, normal = np.asarray(centre, float), np.asarray(normal, float)
    rim = centre + radius * (_circle(sides) @ np.stack(_axes_across(normal)))
    fan = np.stack([np.broadcast_to(centre, rim.shape), rim, np.roll(rim, -1, axis=0)], axis=1)
    normals = np.broadcast_to(normal, fan.shape)
    return triangles(fan, colour, material, normals=normals)


def ring(centre: Point, radius: float, thickness: float, colour: Colour, sides: int = 18) -> Mesh:
    """A hoop in the plane x = constant, such as the wheel of a bicycle."""
    centre = np.asarray(centre, float)
    around = _circle(sides)
    spokes = np.concatenate([np.zeros((sides, 1)), around], axis=1)  # unit vectors (0, y, z)
    side = np.array([1.0, 0.0, 0.0])
    section = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]]) * thickness
    hoop = centre + spokes[:, None] * (radius + section[None, :, :1]) + side * section[None, :, 1:]
    following = np.roll(hoop, -1, axis=0)
    skin = np.stack([hoop[:, :-1], hoop[:, 1:], following[:, 1:], following[:, :-1]], axis=2)
    return quads(skin.reshape(-1, 4, 3), colour)


@lru_cache(maxsize=4)
def _unit_sphere(rows: int, columns: int) -> np.ndarray:
    """(T, 3, 3) triangles of a sphere of radius one."""
    polar = np.linspace(0, np.pi, rows + 1)[:, None]
    azimuth = np.linspace(0, 2 * np.pi, columns + 1)[None]
    grid = np.stack(
        [
            np.sin(polar) * np.cos(azimuth),
            np.cos(polar) + 0 * azimuth,
            np.sin(polar) * np.sin(azimuth),
        ],
        axis=2,
    )
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    upper = np.stack([a, b, c], axis=2)[1:].reshape(-1, 3, 3)
    lower = np.stack([a, c, d], axis=2)[:-1].reshape(-1, 3, 3)
    return np.concatenate([upper, lower])


def ellipsoid(
    centre: Point,
    radii: Point,
    colour: Colour,
    material: Material = Material.PLAIN,
    detail: tuple[int, int] = (6, 9),
) -> Mesh:
    """A smooth ellipsoid; ``detail`` is the number of rows and columns of its surface."""
    sphere = _unit_sphere(*detail)
    radii = np.asarray(radii, float)
    normals = sphere / radii
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    return triangles(sphere * radii + np.asarray(centre, float), colour, material, normals)


def patches(
    corners: Sequence[Point],
    windows: Sequence[tuple[float, float, float, float]],
    colour: Colour,
    material: Material = Material.PLAIN,
    lift: float = 0.008,
) -> Mesh:
    """Rectangles on a four-cornered panel, lifted off it so that they win the depth test.

    Args:
        corners: the panel's corners: low start, low end, high end, high start, seen from outside
            counter-clockwise.
        windows: (start, end, low, high) of each rectangle as fractions of the panel.
    """
    low_start, low_end, high_end, high_start = (np.asarray(c, float) for c in corners)
    normal = cross(low_end - low_start, high_start - low_start)
    normal /= np.sqrt(normal @ normal) + 1e-12

    def at(along: float, up: float) -> np.ndarray:
        low = low_start + along * (low_end - low_start)
        high = high_start + along * (high_end - high_start)
        return low + up * (high - low) + lift * normal

    faces = [[at(a, c), at(b, c), at(b, d), at(a, d)] for a, b, c, d in windows]
    return quads(faces, colour, material)
