"""One street scene as triangles with labels, and the builder that collects it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from snr_plugins.city.camera import Camera
from snr_plugins.city.label_ids import Label
from snr_plugins.city.mesh import Mesh, join, place
from snr_plugins.city.palettes import Palette


@dataclass(frozen=True)
class Scene:
    """Everything that the renderer needs.

    Args:
        mesh: T triangles in world coordinates.
        values: (T,), what the pixels of each triangle hold in ``instanceIds``.
        camera: where it is seen from.
        palette: the city's look.
        sun: (3,), unit vector towards the sun.
        sunshine: 1 for direct sun, 0 for an overcast sky.
        lamps: (L, 3), where street lamps shine from at night.
        beams: (B, 3), where headlights light the road at night.
        footprints: corners (4, 2) in x and z of what stands on the ground.
        phase: random number in 0..1 that varies textures and lit windows.
    """

    mesh: Mesh
    values: np.ndarray
    camera: Camera
    palette: Palette
    sun: np.ndarray
    sunshine: float
    lamps: np.ndarray
    beams: np.ndarray
    footprints: list[np.ndarray]
    phase: float


class SceneBuilder:
    """Collects objects and numbers the instances of each class from zero."""

    def __init__(self) -> None:
        self._meshes: list[Mesh] = []
        self._values: list[np.ndarray] = []
        self._counts: Counter[Label] = Counter()
        self.lamps: list[np.ndarray] = []
        self.beams: list[np.ndarray] = []
        self.footprints: list[np.ndarray] = []

    def add(self, mesh: Mesh, label: Label) -> None:
        """Add one object; each call with a thing's label makes a new instance."""
        value = int(label)
        if label.is_thing:
            value = value * 1000 + self._counts[label]
            self._counts[label] += 1
        self._meshes.append(mesh)
        self._values.append(np.full(len(mesh), value, np.int32))

    def stand(
        self,
        mesh: Mesh,
        label: Label,
        x: float,
        z: float,
        yaw: float = 0.0,
        y: float = 0.0,
        footprint: tuple[float, float] | None = None,
    ) -> None:
        """Put an object on the ground; ``footprint`` (width, length) darkens what is below it."""
        self.add(place(mesh, x, y, z, yaw), label)
        if footprint is not None:
            half_width, half_length = footprint[0] / 2, footprint[1] / 2
            cos, sin = np.cos(yaw), np.sin(yaw)
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [half_width, half_length]
            turned = corners @ np.array([[cos, -sin], [sin, cos]])
            self.footprints.append(turned + [x, z])

    def collect(self) -> tuple[Mesh, np.ndarray]:
        """All triangles and their label values."""
        return join(self._meshes), np.concatenate(self._values)
