"""A picture of a dataset: some frames with their boxes or masks on them."""

from __future__ import annotations

import colorsys
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from snr_plugins.data.boxes import LabelledBox
from snr_plugins.data.checks.annotations import read_annotation, read_train_ids
from snr_plugins.data.layout import IDS, Layout
from snr_plugins.errors import InputError

COLUMNS, ROWS = 3, 3
WIDTH = 480  # pixels of a cell
OPACITY = 0.45


def gallery(
    samples: list[tuple[Path, Path | None]],
    layout: Layout | None,
    boxes: dict[Path, list[LabelledBox]],
    names: list[str],
) -> np.ndarray:
    """Frames spread evenly over a dataset.

    Args:
        samples: image and label of each frame; of these, nine are shown.
        layout: how the labels are read; None where there are none.
        boxes: of an image, where they are known otherwise.
        names: of all classes that have boxes; each has one colour throughout.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    count = min(COLUMNS * ROWS, len(samples))
    chosen = [samples[i * len(samples) // count] for i in range(count)]
    cells = [_cell(image, label, layout, boxes.get(image, []), names) for image, label in chosen]
    height = max(cell.shape[0] for cell in cells)
    cells = [np.pad(cell, ((0, height - cell.shape[0]), (0, 0), (0, 0))) for cell in cells]
    blank = np.zeros_like(cells[0])
    cells += [blank] * (-len(cells) % COLUMNS)
    return np.vstack([np.hstack(cells[i : i + COLUMNS]) for i in range(0, len(cells), COLUMNS)])


def _cell(
    image: Path,
    label: Path | None,
    layout: Layout | None,
    boxes: list[LabelledBox],
    names: list[str],
) -> np.ndarray:
    try:
        with Image.open(image) as file:
            picture = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
        height = round(WIDTH * picture.shape[0] / picture.shape[1])
        scale = WIDTH / picture.shape[1]
        cell = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
        if layout is not None and label is not None:
            if layout.label_kind == IDS:
                cell = _paint(cell, read_train_ids(layout, label))
            boxes = read_annotation(layout, label, image.stem).boxes
    except (InputError, OSError) as error:
        cell = np.full((WIDTH // 2, WIDTH, 3), 64, np.uint8)
        return _write(cell, str(error)[-60:], (4, WIDTH // 4), (255, 255, 255))
    for box in boxes:
        if not all(map(math.isfinite, box.corners)):
            continue
        colour = _colour(names.index(box.name))
        x0, y0, x1, y1 = (round(value * scale) for value in box.corners)
        cv2.rectangle(cell, (x0, y0), (x1, y1), colour, 1 if box.is_group else 2)
        if x1 - x0 > 30:
            _write(cell, box.title, (x0 + 1, max(10, y0 - 2)), colour)
    return cell


def _paint(cell: np.ndarray, train_ids: np.ndarray) -> np.ndarray:
    size = (cell.shape[1], cell.shape[0])
    small = cv2.resize(train_ids, size, interpolation=cv2.INTER_NEAREST)
    colours = np.zeros((256, 3), np.uint8)
    colours[:40] = [_colour(index) for index in range(40)]
    return cv2.addWeighted(colours[small.clip(0, 255)], OPACITY, cell, 1 - OPACITY, 0)


def _colour(index: int) -> tuple[int, int, int]:
    """Neighbouring numbers get hues far apart: steps of the golden ratio."""
    red, green, blue = colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def _write(cell: np.ndarray, text: str, at: tuple[int, int], colour) -> np.ndarray:
    for tint, thickness in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(cell, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, tint, thickness, cv2.LINE_AA)
    return cell
