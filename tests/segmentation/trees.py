"""Tiny label images of every kind that the datasets use, and folders in their layouts."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

# Written out by hand from each dataset's description: raw id, and the Cityscapes class it becomes.
SYNTHIA_NAMES = {
    0: None,
    1: "sky",
    2: "building",
    3: "road",
    4: "sidewalk",
    5: "fence",
    6: "vegetation",
    7: "pole",
    8: "car",
    9: "traffic sign",
    10: "person",
    11: "bicycle",
    12: "motorcycle",
    13: None,  # parking slot
    14: None,  # road work
    15: "traffic light",
    16: None,  # terrain
    17: "rider",
    18: None,  # truck
    19: "bus",
    20: None,  # train
    21: "wall",
    22: None,  # lane marking
}


def write_image(path: Path, shape: tuple[int, int], value: int = 128) -> Path:
    """An image of one grey; the suffix decides between PNG and JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*shape, 3), value, np.uint8)).save(path)
    return path


def write_grey(path: Path, ids: np.ndarray) -> Path:
    """Label image whose grey value is the id, 8 bit or, for uint16, 16 bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids).save(path)
    return path


def write_palette(path: Path, ids: np.ndarray) -> Path:
    """Label image whose palette index is the id; no colour resembles its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids.astype(np.uint8), mode="P")
    image.putpalette([value for index in range(256) for value in (255 - index, index // 2, 7)])
    image.save(path)
    return path


def write_colour16(path: Path, ids: np.ndarray) -> Path:
    """SYNTHIA's: 16 bits a channel, the id in red, the instance in green, blue unused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    instances = np.arange(ids.size, dtype=np.uint16).reshape(ids.shape)
    pixels = np.stack([np.zeros_like(instances), instances, ids.astype(np.uint16)], axis=2)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_gta5(root: Path, ids: np.ndarray) -> Path:
    write_image(root / "images" / "00001.png", ids.shape)
    write_palette(root / "labels" / "00001.png", ids)
    return root


def write_synthia(root: Path, ids: np.ndarray) -> Path:
    write_image(root / "RGB" / "0000000.png", ids.shape)
    write_colour16(root / "GT" / "LABELS" / "0000000.png", ids)
    return root


def write_cross_city(root: Path, city: str, ids: np.ndarray) -> Path:
    write_image(root / city / "Images" / "Train" / "pano_1.png", ids.shape)
    write_image(root / city / "Images" / "Test" / "pano_2.png", ids.shape)
    write_grey(root / city / "Labels" / "Test" / "pano_2_eval.png", ids)
    return root


def write_camvid(root: Path, split: str, ids: np.ndarray) -> Path:
    write_image(root / split / "images" / "0001TP_006690.jpg", ids.shape)
    write_grey(root / split / "labels" / "0001TP_006690.png", ids)
    return root
