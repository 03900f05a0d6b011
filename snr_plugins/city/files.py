"""What the files of the city hold, in Cityscapes' conventions."""

from __future__ import annotations

import cv2
import numpy as np

from snr_plugins.city.camera import Camera
from snr_plugins.city.label_ids import Label
from snr_plugins.data.stereo import DISPARITY_STEPS

CENTIMETRES = 100


def encode_depth(depth: np.ndarray) -> np.ndarray:
    """(H, W) uint16, centimetres along the optical axis, 0 for sky."""
    return np.clip(np.rint(depth * CENTIMETRES), 0, 65535).astype(np.uint16)


def encode_disparity(depth: np.ndarray, camera: Camera, baseline: float) -> np.ndarray:
    """(H, W) uint16 as in Cityscapes: 256 times the disparity in pixels plus 1, 0 for sky."""
    disparity = baseline * camera.focal / np.where(depth > 0, depth, np.inf)
    steps = np.rint(DISPARITY_STEPS * disparity + 1)
    return np.where(depth > 0, np.clip(steps, 1, 65535), 0).astype(np.uint16)


def polygons(instance_ids: np.ndarray, depth: np.ndarray) -> dict:
    """Content of ``polygons.json``: outlines, to be painted in the order given.

    Large surfaces come first and things last, far ones before near ones, so that painting fills the
    holes of an outline with what is seen there. Outlines are drawn on the pixel grid and may be one
    pixel off; ``instanceIds`` is exact.
    """
    surfaces, things = [], []
    for value in np.unique(instance_ids):
        mask = instance_ids == value
        is_thing = value >= 1000
        label = Label(int(value) // 1000 if is_thing else int(value))
        contours, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        objects = [{"label": label.text, "polygon": contour[:, 0].tolist()} for contour in contours]
        if is_thing:
            things.append((float(np.median(depth[mask])), objects))
        else:
            surfaces.append((int(mask.sum()), objects))
    surfaces.sort(key=lambda item: -item[0])
    things.sort(key=lambda item: -item[0])
    height, width = instance_ids.shape
    in_order = [entry for _, objects in surfaces + things for entry in objects]
    return {"imgHeight": height, "imgWidth": width, "objects": in_order}
