"""Triangle meshes and the few solids that every object of the city is built from.

Axes: x right, y up, z forward, metres. Objects are modelled around their own origin on the ground
with the front towards +z.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

import numpy as np

Colour = Sequence[float]  # linear red, green, blue in 0..1
Point = Sequence[float]


class Material(IntEnum):
    """How the shader treats a surface; the numbers are repeated in ``shaders.py``."""

    PLAIN = 0
    ASPHALT = 1
    PAVING = 2
    FACADE = 3
    FOLIAGE = 4
    PAINT = 5
    GLASS = 6
    HEADLAMP = 7
    TAIL_LAMP = 8
    LANTERN = 9
    SIGNAL = 10
    CABIN_WINDOW = 11
    GRASS = 12
    MARKING = 13
    CLOTH = 14


@dataclass(frozen=True)
class Mesh:
    """T triangles.

    Args:
        positions: (T, 3, 3), corners in metres.
        normals: (T, 3, 3), unit length, per corner.
        texture: (T, 3, 2), texture coordinates; their unit depends on the material.
        colours: (T, 3), linear albedo.
        materials: (T,), values of `Material`.
    """

    positions: np.ndarray
    normals: np.ndarray
    texture: np.ndarray
    colours: np.ndarray
    materials: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)


def triangles(
    positions: np.ndarray,
    colour: Colour,
    material: Material = Material.PLAIN,
    normals: np.ndarray | None = None,
    texture: np.ndarray | None = None,
) -> Mesh:
    """Wrap (T, 3, 3) corners; without normals each triangle is flat."""
    positions = np.asarray(positions, np.float32)
    count = len(positions)
    if normals is None:
        edges = positions[:, 1:] - positions[:, :1]
        flat = _cross(edges[:, 0], edges[:, 1])
        flat /= np.sqrt((flat**2).sum(axis=1, keepdims=True)) + 1e-12
        normals = np.repeat(flat[:, None], 3, axis=1)
    if texture is None:
        texture = np.zeros((count, 3, 2), np.float32)
    return Mesh(
        positions,
        np.asarray(normals, np.float32),
        np.asarray(texture, np.float32),
        np.broadcast_to(np.asarray(colour, np.float32), (count, 3)),
        np.full(count, material, np.float32),
    )


def quads(
    corners: np.ndarray | Sequence[Sequence[Point]],
    colour: Colour,
    material: Material = Material.PLAIN,
    texture: np.ndarray | Sequence | None = None,
) -> Mesh:
    """(Q, 4, 3) corners in order around each quad; texture (Q, 4, 2)."""
    halves = [0, 1, 2, 0, 2, 3]
    corners = np.asarray(corners, np.float32)[:, halves].reshape(-1, 3, 3)
    if texture is not None:
        texture = np.asarray(texture, np.float32)[:, halves].reshape(-1, 3, 2)
    return triangles(corners, colour, material, texture=texture)


def join(meshes: Iterable[Mesh]) -> Mesh:
    """One mesh of all triangles, in order."""
    parts = list(meshes)
    return Mesh(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.texture for part in parts]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.materials for part in parts]),
    )


def place(
    mesh: Mesh, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0, scale: float = 1.0
) -> Mesh:
    """Scale, then turn about the y axis (yaw pi/2 points the front to +x), then move."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], np.float32)
    positions = mesh.positions @ (turn * np.float32(scale)) + np.array([x, y, z], np.float32)
    return replace(mesh, positions=positions, normals=mesh.normals @ turn)


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


def repeat(mesh: Mesh, offsets: np.ndarray) -> Mesh:
    """Copies of a mesh, moved by each of (N, 3) offsets."""
    count = len(offsets)
    moved = mesh.positions[None] + np.asarray(offsets, np.float32)[:, None, None]
    return Mesh(
        moved.reshape(-1, 3, 3),
        np.tile(mesh.normals, (count, 1, 1)),
        np.tile(mesh.texture, (count, 1, 1)),
        np.tile(mesh.colours, (count, 1)),
        np.tile(mesh.materials, count),
    )


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As ``numpy.cross`` over the last axis, which spends most of its time on general shapes."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


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
    first = _cross(direction, helper)
    first /= np.sqrt(first @ first)
    return first, _cross(direction, first)


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


def ring(
    centre: Point, radius: float, thickness: float, colour: Colour, sides: int = 18
) -> Mesh:
    """A hoop in the plane x = constant, such as the wheel of a bicycle."""
    centre = np.asarray(centre, float)
    around = _circle(sides)
    spokes = np.concatenate([np.zeros((sides, 1)), around], axis=1)  # unit vectors (0, y, z)
    side = np.array([1.0, 0.0, 0.0])
    section = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]]) * thickness
    hoop = (
        centre
        + spokes[:, None] * (radius + section[None, :, :1])
        + side * section[None, :, 1:]
    )
    following = np.roll(hoop, -1, axis=0)
    skin = np.stack([hoop[:, :-1], hoop[:, 1:], following[:, 1:], following[:, :-1]], axis=2)
    return quads(skin.reshape(-1, 4, 3), colour)


@lru_cache(maxsize=4)
def _unit_sphere(rows: int, columns: int) -> np.ndarray:
    """(T, 3, 3) triangles of a sphere of radius one."""
    polar = np.linspace(0, np.pi, rows + 1)[:, None]
    azimuth = np.linspace(0, 2 * np.pi, columns + 1)[None]
    grid = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.cos(polar) + 0 * azimuth, np.sin(polar) * np.sin(azimuth)],
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
    normal = _cross(low_end - low_start, high_start - low_start)
    normal /= np.sqrt(normal @ normal) + 1e-12

    def at(along: float, up: float) -> np.ndarray:
        low = low_start + along * (low_end - low_start)
        high = high_start + along * (high_end - high_start)
        return low + up * (high - low) + lift * normal

    faces = [[at(a, c), at(b, c), at(b, d), at(a, d)] for a, b, c, d in windows]
    return quads(faces, colour, material)
