"""Detectron2's detectors with the restitution loss on ground-truth boxes."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN, PanopticFPN, RetinaNet
from detectron2.modeling.meta_arch import FCOS
from detectron2.structures import ImageList
from detectron2.utils.events import get_event_storage
from torch import Tensor

from snr_plugins.detection.backbone import LOGGER, report_coverage
from snr_plugins.errors import InputError
from snr_plugins.nn import (
    SNR,
    Observation,
    RestitutionLoss,
    RestitutionTerms,
    StageLosses,
    find_layers,
    find_snr,
    remade_outputs,
    style_distances,
)
from snr_plugins.nn.box_means import box_means
from snr_plugins.nn.calibration import calibrate_untrained

# Entropies are written to the event storage every so many iterations, as the framework's
# metric printer does; each value written waits for the device.
LOG_PERIOD = 20


if TYPE_CHECKING:
    from detectron2.modeling import GeneralizedRCNN as Detector  # what the mixin may ask for
else:
    Detector = object


class Restitution(Detector):
    """Mixin over a meta-architecture: the calibrated start, and two more losses in training.

    ``loss_snr_restitution`` and ``loss_snr_probe`` are summed over all SNRs of the backbone,
    already weighted, and sit in the loss dict that Detectron2's trainers sum. They are added around
    the detector's call: its ``forward`` stays its own, so it scripts, traces and exports as it does
    without SNR, and the probes take no part in inference.

    The calibrated start (:func:`snr_plugins.nn.calibrate`) is made on the first training batch, of
    all processes, by the model itself: every launcher reaches it. SNRs that a checkpoint has filled
    are left alone, so a resumed training goes on exactly.

    Args:
        snr_num_classes: classes of the ground truth.
        snr_loss_weight: weight of the restitution loss; with both weights 0 it is not computed.
        snr_probe_weight: weight of the probes' cross-entropy.
        snr_loss_terms: "both" halves of the restitution loss, or "plus" or "minus" alone.
        snr_calibrate: whether new SNRs start at the style of the first batch.
        kwargs: the detector's own.

    Raises:
        InputError: the backbone has no SNR, or one whose stride is unknown.
    """

    @configurable
    def __init__(
        self,
        *,
        snr_num_classes: int,
        snr_loss_weight: float = 0.01,
        snr_probe_weight: float = 0.01,
        snr_loss_terms: str = "both",
        snr_calibrate: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        layers = find_snr(self.backbone)
        if not find_layers(self.backbone):
            raise InputError(
                f"MODEL.META_ARCHITECTURE {type(self).__name__}: the backbone has no SNR; set "
                "MODEL.BACKBONE.NAME to build_snr_resnet_fpn_backbone, build_snr_resnet_backbone "
                "or build_snr_backbone and name its stages in MODEL.SNR.STAGES"
            )
        self.snr_losses = StageLosses(
            layers, snr_num_classes, snr_loss_weight, snr_probe_weight, snr_loss_terms
        )
        self._strides = (
            {name: _stride(name, snr) for name, snr in layers.items()} if self.snr_losses else {}
        )
        self._to_calibrate = snr_calibrate
        report_coverage(self)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        detector = super().from_config(cfg)
        return {
            **detector,
            # one-stage detectors count their classes in a key of their own
            "snr_num_classes": detector.get("num_classes", cfg.MODEL.ROI_HEADS.NUM_CLASSES),
            "snr_loss_weight": cfg.MODEL.SNR.LOSS_WEIGHT,
            "snr_probe_weight": cfg.MODEL.SNR.PROBE_WEIGHT,
            "snr_loss_terms": cfg.MODEL.SNR.LOSS_TERMS,
            "snr_calibrate": cfg.MODEL.SNR.CALIBRATE,
        }

    def __call__(
        self, batched_inputs: list[dict], *args: Any, **kwargs: Any
    ) -> dict[str, Tensor] | list[dict]:
        """As the detector's; in training two more losses, in evaluation ``style_distance``.

        That is, beside an image's ``instances``, the SNRs' names with d / t of
        :func:`snr_plugins.nn.style_distances`, scalar tensors: far above 1 the image looks like
        nothing that the network has learned.
        """
        if self.training and self._to_calibrate:
            sentence = calibrate_untrained(
                self.backbone,
                [batched_inputs],
                lambda batch: self.backbone(self.preprocess_image(batch).tensor),
            )
            self._to_calibrate = False
            logging.getLogger(LOGGER).info(sentence)
        if not self.training:
            with style_distances(self.backbone) as distances:
                outputs = super().__call__(batched_inputs, *args, **kwargs)
            for name, passes in distances.items():
                for output, distance in zip(outputs, passes[0], strict=True):
                    if isinstance(output, dict):  # not the bare instances of do_postprocess=False
                        output.setdefault("style_distance", {})[name] = distance
            return outputs
        with remade_outputs(self.backbone):
            return self._losses(batched_inputs, *args, **kwargs)

    def _losses(self, batched_inputs: list[dict], *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        if not self.snr_losses:
            return super().__call__(batched_inputs, *args, **kwargs)
        truth = [x["instances"] for x in batched_inputs]
        boxes = [instances.gt_boxes.tensor.to(self.device) for instances in truth]
        classes = [instances.gt_classes for instances in truth]
        labels = torch.cat(classes).to(self.device)
        images = [torch.full_like(of_image, index) for index, of_image in enumerate(classes)]
        image_index = torch.cat(images).to(self.device)
        size = self._padded_size([x["image"] for x in batched_inputs])
        form = partial(self.restitution_on_boxes, boxes, image_index, labels, size)
        with self.snr_losses.observing(form) as terms:
            losses = super().__call__(batched_inputs, *args, **kwargs)
        storage = get_event_storage()
        if storage.iter % LOG_PERIOD == 0:
            # not into the dict: the trainer would sum whatever is in there
            for name, value in self.snr_losses.diagnostics(terms).items():
                storage.put_scalar(f"snr/{name}", value)
        return {**losses, **self.snr_losses.weighted(terms)}

    def restitution_on_boxes(
        self,
        boxes: list[Tensor],
        image_index: Tensor,
        labels: Tensor,
        size: torch.Size,
        name: str,
        loss: RestitutionLoss,
        seen: Observation,
    ) -> RestitutionTerms:
        """The loss of one SNR: a `snr_plugins.nn.stage_losses.Form` once boxes are given.

        Args:
            boxes: of each image (P_n, 4), in pixels of the image.
            image_index: (P,) long, the image of each box, and
            labels: (P,) its class id, those of the first image first.
            size: height and width of the padded images.
            name, loss, seen: of the SNR.
        """
        features = seen.features.flatten(2).unflatten(2, seen.grid(*size))  # of tokens, their map
        pooled = box_means(features, boxes, self._strides[name])  # (P, C)
        return loss.boxes(seen, pooled, image_index, labels)

    def _padded_size(self, images: list[Tensor]) -> torch.Size:
        """Height and width that ``preprocess_image`` pads the batch to."""
        shapes = [image[:1] for image in images]  # one channel is enough
        padded = ImageList.from_tensors(
            shapes,
            self.backbone.size_divisibility,
            padding_constraints=self.backbone.padding_constraints,
        )
        return padded.tensor.shape[2:]


def _stride(name: str, snr: SNR) -> float:
    if snr.stride is None:
        raise InputError(
            f"{name} does not know its stride, which the loss on boxes needs: put it in with "
            "snr_plugins.nn.insert_snr or snr_plugins.detection.put_in"
        )
    return snr.stride


@META_ARCH_REGISTRY.register()
class SNRGeneralizedRCNN(Restitution, GeneralizedRCNN):
    """GeneralizedRCNN with the restitution loss."""


@META_ARCH_REGISTRY.register()
class SNRRetinaNet(Restitution, RetinaNet):
    """RetinaNet with the restitution loss."""


@META_ARCH_REGISTRY.register()
class SNRPanopticFPN(Restitution, PanopticFPN):
    """PanopticFPN with the restitution loss on its ground-truth boxes."""


class SNRFCOS(Restitution, FCOS):
    """FCOS with the restitution loss; like FCOS itself for LazyConfigs alone."""
