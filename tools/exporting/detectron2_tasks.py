"""Detectron2's detectors, whole or their backbones alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.export import TracingAdapter
from detectron2.modeling import GeneralizedRCNN
from torch import Tensor, nn
from weights import check_file

from exporting.task import MapTask, Signature, as_tensor, difference, without_loss
from snr_plugins.detection.config import load_config, split_weights
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError
from snr_plugins.nn import style_distances
from snr_plugins.nn.teacher import answering
from snr_plugins.nn.trust import find_trust

CLOSE = (1.0, 0.01)  # pixels and score between an object and itself


def load_detector(config: Path, checkpoint: Path | None) -> tuple[nn.Module, object]:
    """The detector in evaluation on the CPU, and its config.

    Raises:
        InputError: one of the files is at fault.
    """
    overrides = ["MODEL.DEVICE", "cpu"]
    if checkpoint is not None:
        overrides += ["MODEL.WEIGHTS", str(checkpoint.resolve())]
    cfg = load_config(str(config), overrides)
    model = Trainer.build_model(cfg).eval()
    check_file(model, split_weights(cfg.MODEL.WEIGHTS)[0])
    DetectionCheckpointer(model).load(cfg.MODEL.WEIGHTS)
    return without_loss(answering(model)), cfg


class BackboneMaps(nn.Module):
    """Pixels (N, 3, H, W) to the tuple of a backbone's features."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.register_buffer("mean", model.pixel_mean.clone())
        self.register_buffer("std", model.pixel_std.clone())

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.backbone((image - self.mean) / self.std)
        return tuple(features.values())


class BackboneTask(MapTask):
    """See `exporting.task.Task`. Its images have sides that the caller has padded as it must."""

    def __init__(self, model: nn.Module, colours: str, style_distance: bool) -> None:
        self.model = model
        names = list(model.backbone.output_shape())
        super().__init__(BackboneMaps(model), names, colours, style_distance)

    @torch.no_grad()
    def expected(self, example: Tensor) -> Sequence[Tensor]:
        images = self.model.preprocess_image([{"image": image} for image in example])
        with style_distances(self.model.backbone) as distances:
            outputs = list(self.model.backbone(images.tensor).values())
        if "style_distance" in self.signature.outputs:
            outputs.append(torch.stack([passes[0] for passes in distances.values()], 1))
        return outputs


class DetectorTask:
    """See `exporting.task.Task`. One image (3, H, W), any size, already resized as for a test."""

    def __init__(self, model: nn.Module, cfg: object, style_distance: bool) -> None:
        self.model, self.cfg = model, cfg
        self.style_distance = style_distance
        if style_distance and not find_trust(model):
            raise InputError("--style-distance: the network has no SNR with trust")
        example = torch.rand(3, 2 * 64, 3 * 64) * 255
        # Detectron2's own way to tracing: lists, dicts and Instances become tensors
        self.module = TracingAdapter(model, [{"image": example}], self._infer).eval()
        with torch.no_grad():
            fields = sorted(self._instances(example).get_fields())
        names = [*fields, "image_size", *(["style_distance"] if style_distance else [])]
        moving = {"image": {1: "height", 2: "width"}, **{name: {0: "objects"} for name in fields}}
        self.signature = Signature(names, moving, cfg.INPUT.FORMAT)

    def _infer(self, model: nn.Module, inputs: list[dict]) -> list[object]:
        with style_distances(model.backbone) as distances:
            found: list[object] = [self._instances(inputs[0]["image"])]
        if self.style_distance:
            found.append(torch.stack([passes[0] for passes in distances.values()], 1)[0])
        return found

    def _instances(self, image: Tensor) -> object:
        """Boxes in pixels of the image as it is given."""
        if isinstance(self.model, GeneralizedRCNN):
            return self.model.inference([{"image": image}], do_postprocess=False)[0]
        return self.model([{"image": image}])[0]["instances"]

    def examples(self, pixels: np.ndarray) -> list[Tensor]:
        from detectron2.data.transforms import ResizeShortestEdge

        least, most = self.cfg.INPUT.MIN_SIZE_TEST, self.cfg.INPUT.MAX_SIZE_TEST
        whole = ResizeShortestEdge([least, least], most).get_transform(pixels).apply_image(pixels)
        smaller = cv2.resize(whole, None, fx=0.8, fy=0.7)
        return [as_tensor(whole), as_tensor(smaller)]

    @torch.no_grad()
    def expected(self, example: Tensor) -> Sequence[Tensor]:
        instances = self._instances(example)
        fields = instances.get_fields()
        outputs = [getattr(fields[name], "tensor", fields[name]) for name in sorted(fields)]
        outputs.append(torch.tensor(instances.image_size))
        if self.style_distance:
            outputs.append(self._infer(self.model, [{"image": example}])[1])
        return outputs

    def compare(self, expected: Sequence[Tensor], found: Sequence[Tensor]) -> str:
        names = self.signature.outputs
        a, b = dict(zip(names, expected, strict=True)), dict(zip(names, found, strict=True))
        if not len(a["scores"]):
            raise InputError("the model finds no object in it: nothing to verify by; name another")
        worst = 0.0
        for one, other in ((a, b), (b, a)):
            if len(other["scores"]) == 0:
                raise InputError("it finds no object where the model finds some")
            apart = (one["pred_boxes"][:, None] - other["pred_boxes"]).abs().amax(2)
            apart[one["pred_classes"][:, None] != other["pred_classes"]] = float("inf")
            apart[(one["scores"][:, None] - other["scores"]).abs() > CLOSE[1]] = float("inf")
            nearest = apart.amin(1)
            # one that is hardly above the threshold may be below it in the other
            sure = one["scores"] > self._threshold() + CLOSE[1]
            if not (nearest[sure] <= CLOSE[0]).all():
                raise InputError("it finds other objects than the model")
            worst = max([worst, *nearest[sure].tolist()])
        if self.style_distance and not difference(a["style_distance"], b["style_distance"]) < 1e-3:
            raise InputError("its style distances are other than the model's")
        return f"{len(a['scores'])} objects, boxes within {worst:.2g} pixels"

    def _threshold(self) -> float:
        if isinstance(self.model, GeneralizedRCNN):
            return self.cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST
        return self.cfg.MODEL.RETINANET.SCORE_THRESH_TEST


def open_detector(
    config: Path, checkpoint: Path | None, backbone: bool, style_distance: bool
) -> DetectorTask | BackboneTask:
    model, cfg = load_detector(config, checkpoint)
    if backbone:
        return BackboneTask(model, cfg.INPUT.FORMAT, style_distance)
    return DetectorTask(model, cfg, style_distance)
