"""A trained detector of Detectron2."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.data import (
    DatasetCatalog,
    DatasetMapper,
    Metadata,
    MetadataCatalog,
    build_detection_test_loader,
    detection_utils,
)
from detectron2.layers import ROIAlign
from detectron2.structures import BoxMode
from detectron2.utils.visualizer import ColorMode, Visualizer
from torch import Tensor
from weights import check_file

from looking.network import Domain, Frame, images_of, spread
from looking.palette import class_colours
from snr_plugins.data.unlabelled import records_of_images
from snr_plugins.detection.config import load_config
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.mapper import NamingMapper
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError
from snr_plugins.nn.teacher import answering

SCORE = 0.5  # of the detections that are drawn and pooled
SAMPLES = 14  # along each side of a box, as the restitution loss takes
WIDTH = 640  # pixels of a drawing


class DetectorNetwork:
    """See `looking.network.Network`.

    Args:
        checkpoint, config: files.
        device: of torch.
    """

    metric = "AP50"

    def __init__(self, checkpoint: Path, config: Path, device: str) -> None:
        overrides = ["MODEL.WEIGHTS", str(checkpoint.resolve()), "MODEL.DEVICE", device]
        self.cfg = load_config(str(config), overrides)
        model = Trainer.build_model(self.cfg).eval()
        check_file(model, str(checkpoint))
        DetectionCheckpointer(model).load(self.cfg.MODEL.WEIGHTS)
        self.model = answering(model)
        names = (*self.cfg.DATASETS.TRAIN, *self.cfg.DATASETS.TEST)
        known = [MetadataCatalog.get(n).get("thing_classes") for n in names]
        count = self.cfg.MODEL.ROI_HEADS.NUM_CLASSES
        self.classes = next((c for c in known if c), [f"class {i}" for i in range(count)])
        self.colours = class_colours(len(self.classes))
        self._metadata = Metadata(thing_classes=list(self.classes), thing_colors=self.colours)

    def domains(self) -> list[str]:
        return list(self.cfg.DATASETS.TEST)

    def frames(self, domain: Domain, count: int) -> Iterator[Frame]:
        records = spread(self._records(domain), count)
        loader = build_detection_test_loader(
            dataset=records, mapper=NamingMapper(DatasetMapper(self.cfg, False)), num_workers=0
        )
        labelled = self._labelled(domain)
        for record, (inputs,) in zip(records, loader, strict=True):
            yield Frame(domain.name, record["file_name"], inputs, record if labelled else None)

    @staticmethod
    def _labelled(domain: Domain) -> bool:
        if domain.path is not None:
            return False
        return MetadataCatalog.get(domain.name).get("box_convention") != "unlabelled"

    def _records(self, domain: Domain) -> list[dict]:
        if domain.path is None:
            if domain.name not in DatasetCatalog.list():
                raise InputError(
                    f"{domain.name} is neither a file, a folder nor a registered dataset; name a "
                    f"folder, or one of the config's: {', '.join(self.domains())}"
                )
            return DatasetCatalog.get(domain.name)
        return records_of_images(images_of(domain.path))

    @torch.no_grad()
    def predict(self, frame: Frame) -> dict:
        (output,) = self.model([frame.inputs])
        return output

    def drawn(self, frame: Frame, output: dict | None = None) -> np.ndarray:
        image = detection_utils.read_image(frame.path, "RGB")
        drawing = Visualizer(image, self._metadata, WIDTH / image.shape[1], ColorMode.SEGMENTATION)
        if output is None:
            return drawing.draw_dataset_dict(frame.truth or {}).get_image()
        found = output["instances"].to("cpu")
        return drawing.draw_instance_predictions(found[found.scores >= SCORE]).get_image()

    def pooled(
        self, frame: Frame, output: dict, features: Tensor, stride: float
    ) -> tuple[Tensor, list[int]]:
        boxes, classes = self._boxes(frame, output)
        height, width = frame.inputs["image"].shape[1:]  # as the model sees it
        scale = [width / frame.inputs["width"], height / frame.inputs["height"]] * 2
        boxes = boxes.to(features) * torch.tensor(scale).to(features)
        rois = torch.cat([torch.zeros(len(boxes), 1).to(features), boxes], dim=1)
        return ROIAlign(1, 1 / stride, SAMPLES, aligned=True)(features, rois).flatten(1), classes

    def _boxes(self, frame: Frame, output: dict) -> tuple[Tensor, list[int]]:
        if frame.truth is None:
            found = output["instances"]
            found = found[found.scores >= SCORE]
            return found.pred_boxes.tensor, found.pred_classes.tolist()
        known = [a for a in frame.truth["annotations"] if not a.get("iscrowd")]
        boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in known]
        return torch.tensor(boxes).reshape(-1, 4), [a["category_id"] for a in known]

    def scorer(self, domain: Domain) -> CocoScorer | None:
        return CocoScorer(domain.name) if self._labelled(domain) else None


class CocoScorer:
    """AP50 of COCO's evaluator on any of a registered dataset's images."""

    def __init__(self, dataset: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="snr_plugins_")
        self._evaluator = coco_evaluator(dataset, self._folder.name)
        self._processed: list[tuple[dict, dict]] = []
        self._boxes: list[int] = []  # of the truth, of each image

    def add(self, frame: Frame, output: dict) -> None:
        inputs = {key: value for key, value in frame.inputs.items() if key != "image"}
        known = [a for a in frame.truth["annotations"] if not a.get("iscrowd")]
        self._boxes.append(len(known))
        self._processed.append((inputs, {"instances": output["instances"].to("cpu")}))

    def score(self, indices: Sequence[int]) -> float:
        if not sum(self._boxes[i] for i in indices):
            return float("nan")
        self._evaluator.reset()  # it writes into its predictions, so they are made anew
        chosen = [self._processed[i] for i in indices]
        for inputs, output in chosen:
            self._evaluator.process([inputs], [output])
        with contextlib.redirect_stdout(io.StringIO()):  # where pycocotools says what it does
            found = self._evaluator.evaluate([inputs["image_id"] for inputs, _ in chosen])
        score = float(found["bbox"]["AP50"])
        return 0.0 if np.isnan(score) else score  # the framework's NaN is no detection at all
