"""A picture of several detectors on the same streets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.detection_utils import read_image
from detectron2.engine import DefaultPredictor
from detectron2.structures import BoxMode
from detectron2.utils.colormap import colormap
from detectron2.utils.visualizer import Visualizer

HEADER = 28  # pixels above each picture
GAP = 4  # white pixels between pictures


def draw_panel(
    configs: Mapping[str, CfgNode],
    dataset: str,
    path: Path,
    count: int = 3,
    score: float = 0.5,
    scale: float = 1.25,
) -> None:
    """Write rows of streets with one column for the ground truth and one for each config.

    Args:
        configs: column title to a config whose MODEL.WEIGHTS is trained.
        dataset: registered name; its ``count`` frames with the most near objects are shown.
        path: the PNG to write.
        score: detections below it are not drawn.
        scale: size of the pictures relative to the frames.
    """
    records = sorted(DatasetCatalog.get(dataset), key=_near_objects, reverse=True)[:count]
    frames = [read_image(record["file_name"], format="BGR") for record in records]
    names = MetadataCatalog.get(dataset).thing_classes
    columns = [_column("ground truth", frames, map(_truth, records), names, scale)]
    for title, cfg in configs.items():
        predictor = DefaultPredictor(cfg)
        found = (_confident(predictor(frame)["instances"], score) for frame in frames)
        columns.append(_column(title, frames, found, names, scale))
    gap = np.full((columns[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for column in columns for part in (gap, column)][1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate(parts, axis=1))


def _near_objects(record: dict) -> int:
    """Objects of at least a tenth of the frame's height, which a reader of the picture can see."""
    boxes, _ = _truth(record)
    return int((boxes[:, 3] - boxes[:, 1] >= record["height"] / 10).sum())


def _truth(record: dict) -> tuple[np.ndarray, list[int]]:
    known = [a for a in record["annotations"] if not a["iscrowd"]]
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in known]
    return np.array(boxes).reshape(-1, 4), [a["category_id"] for a in known]


def _confident(found: object, score: float) -> tuple[np.ndarray, list[int]]:
    found = found[found.scores >= score].to(torch.device("cpu"))
    return found.pred_boxes.tensor.numpy(), found.pred_classes.tolist()


def _column(
    title: str, frames: Sequence[np.ndarray], found: object, names: Sequence[str], scale: float
) -> np.ndarray:
    colours = colormap(rgb=True, maximum=1)
    pictures = []
    for frame, (boxes, classes) in zip(frames, found, strict=True):
        drawing = Visualizer(frame[:, :, ::-1], scale=scale)
        for box, c in zip(boxes, classes, strict=True):
            drawing.draw_box(box, edge_color=colours[c * 5], alpha=0.9)
            at = (max(box[0], 0) + 1, max(box[1], 0) + 1)
            drawing.draw_text(names[c], at, font_size=7, horizontal_alignment="left")
        picture = drawing.output.get_image()
        pictures += [np.full((GAP, picture.shape[1], 3), 255, np.uint8), picture[:, :, ::-1]]
    header = np.full((HEADER, pictures[0].shape[1], 3), 255, np.uint8)
    cv2.putText(header, title, (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([header, *pictures], axis=0)
