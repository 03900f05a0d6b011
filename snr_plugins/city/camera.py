"""The camera behind the windscreen, in numbers and in Cityscapes' ``camera.json`` form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BASELINE = 0.209313  # metres between the two cameras of Cityscapes' rig
FOCAL_PER_WIDTH = 1.104  # Cityscapes: 2262 px at a width of 2048


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without roll or yaw over the ground plane y = 0.

    Args:
        width, height: of the image in pixels.
        x, y: position across the street and above the ground in metres.
        pitch: radians below the horizontal.

    The centre of the top left pixel is at (u, v) = (0, 0).
    """

    width: int
    height: int
    x: float
    y: float
    pitch: float

    @property
    def focal(self) -> float:
        """Focal length in pixels, the same along both axes."""
        return FOCAL_PER_WIDTH * self.width

    @property
    def centre(self) -> tuple[float, float]:
        """Principal point (u0, v0) in pixels."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3); rows are the camera's right, up and forward axes in world coordinates."""
        cos, sin = np.cos(self.pitch), np.sin(self.pitch)
        return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])

    @property
    def position(self) -> np.ndarray:
        """(3,), in world coordinates."""
        return np.array([self.x, self.y, 0.0])

    def as_cityscapes(self) -> dict:
        """The content of ``camera.json``; z is the height above the ground in metres."""
        u0, v0 = self.centre
        return {
            "extrinsic": {
                "baseline": BASELINE,
                "pitch": self.pitch,
                "roll": 0.0,
                "x": 0.0,
                "y": 0.0,
                "yaw": 0.0,
                "z": self.y,
            },
            "intrinsic": {"fx": self.focal, "fy": self.focal, "u0": u0, "v0": v0},
        }
