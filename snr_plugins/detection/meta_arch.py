"""Detectron2's GeneralizedRCNN with the restitution loss on ground-truth boxes."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ROIAlign
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from snr_plugins.detection.backbone import report_coverage
from snr_plugins.errors import InputError
from snr_plugins.nn import RestitutionLoss, RestitutionTerms, Step, find_snr, observed
from snr_plugins.nn.affine import at_least_float32
from snr_plugins.nn.insertion import output_shapes

# Samples along each side of a box: as many as a 7x7 box head with two samples a bin takes.
BOX_SAMPLES = 14
# Entropies are written to the event storage every so many iterations, as the framework's
# metric printer does; each value written waits for the device.
LOG_PERIOD = 20


@META_ARCH_REGISTRY.register()
class SNRGeneralizedRCNN(GeneralizedRCNN):
    """GeneralizedRCNN that adds ``loss_snr_restitution`` and ``loss_snr_probe`` in training.

    Both are summed over all SNRs of the backbone, already weighted, and sit in the loss dict that
    Detectron2's trainers sum. Inference is GeneralizedRCNN's own; the probes take no part in it.

    Args:
        num_classes: classes of the ground truth.
        snr_loss_weight: weight of the restitution loss.
        snr_probe_weight: weight of the probes' cross-entropy.
        kwargs: GeneralizedRCNN's.

    Raises:
        InputError: the backbone has no SNR.
    """

    @configurable
    def __init__(
        self, *, num_classes: int, snr_loss_weight: float, snr_probe_weight: float, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        self.snr_loss_weight = snr_loss_weight
        self.snr_probe_weight = snr_probe_weight
        self._snr = find_snr(self.backbone)
        if not self._snr:
            raise InputError(
                "MODEL.META_ARCHITECTURE SNRGeneralizedRCNN: the backbone has no SNR; set "
                "MODEL.BACKBONE.NAME to build_snr_resnet_fpn_backbone or build_snr_resnet_backbone "
                "and name its stages in MODEL.SNR.STAGES"
            )
        learns = snr_loss_weight > 0 or snr_probe_weight > 0
        self.snr_losses = nn.ModuleDict()
        self._box_pools: dict[str, ROIAlign] = {}
        if learns:
            size = 64
            example = torch.zeros(1, len(self.pixel_mean), size, size)
            shapes = output_shapes(self.backbone, self._snr, example)
            for name in self._snr:
                channels, width = shapes[name][1], shapes[name][3]
                self.snr_losses[_key(name)] = RestitutionLoss(channels, num_classes)
                self._box_pools[name] = ROIAlign(1, width / size, BOX_SAMPLES, aligned=True)
        report_coverage(self)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        return {
            **super().from_config(cfg),
            "num_classes": cfg.MODEL.ROI_HEADS.NUM_CLASSES,
            "snr_loss_weight": cfg.MODEL.SNR.LOSS_WEIGHT,
            "snr_probe_weight": cfg.MODEL.SNR.PROBE_WEIGHT,
        }

    def forward(self, batched_inputs: list[dict]) -> dict[str, Tensor] | list[dict]:
        """As GeneralizedRCNN's; in training two more losses."""
        if not self.training or len(self.snr_losses) == 0:
            return super().forward(batched_inputs)
        rois, labels = self._ground_truth([x["instances"] for x in batched_inputs])
        terms: dict[str, RestitutionTerms] = {}

        def observe(name: str, step: Step) -> None:
            # ROIAlign rounds the boxes to the features' type: half would move them by pixels
            features = at_least_float32(step.features)
            pooled = self._box_pools[name](features, rois).flatten(1)  # (P, C)
            loss = self.snr_losses[_key(name)]
            terms[name] = loss.boxes(step, pooled, rois[:, 0].long(), labels)

        with observed(self._snr, observe):
            losses = super().forward(batched_inputs)
        for name in terms:
            _log(name, terms[name])
        restitution = sum(t.restitution for t in terms.values())
        losses["loss_snr_restitution"] = self.snr_loss_weight * restitution
        losses["loss_snr_probe"] = self.snr_probe_weight * sum(t.probe for t in terms.values())
        return losses

    def _ground_truth(self, truth: list[Instances]) -> tuple[Tensor, Tensor]:
        """Boxes (P, 5) as ROIAlign takes them, the image's index first, and their classes (P,)."""
        boxes = torch.cat([x.gt_boxes.tensor for x in truth]).to(self.device)
        labels = torch.cat([x.gt_classes for x in truth]).to(self.device)
        counts = torch.tensor([len(x) for x in truth], device=self.device)
        image_index = torch.repeat_interleave(torch.arange(len(truth), device=self.device), counts)
        return torch.cat([image_index[:, None].to(boxes.dtype), boxes], dim=1), labels


def _key(name: str) -> str:
    """A module name cannot hold dots: ``bottom_up.res2.snr`` becomes ``bottom_up_res2``."""
    return name.removesuffix(".snr").replace(".", "_")


def _log(name: str, terms: RestitutionTerms) -> None:
    """Diagnostics go to the event storage: the trainer would sum whatever is in the loss dict."""
    storage = get_event_storage()
    if storage.iter % LOG_PERIOD == 0:
        prefix = f"snr/{_key(name)}"
        storage.put_scalar(f"{prefix}/entropy_enhanced", terms.entropy_enhanced)
        storage.put_scalar(f"{prefix}/entropy_normalised", terms.entropy_normalised)
        storage.put_scalar(f"{prefix}/entropy_contaminated", terms.entropy_contaminated)
