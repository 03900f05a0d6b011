"""Triangle meshes, and how to join and place them.

Axes: x right, y up, z forward, metres. Objects are modelled around their own origin on the ground
with the front towards +z.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

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


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """As ``numpy.cross`` over the last axis, which spends most of its time on general shapes."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


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
        flat = cross(edges[:, 0], edges[:, 1])
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
