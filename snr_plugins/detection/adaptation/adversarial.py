"""Domain Adaptive Faster R-CNN (Chen et al., CVPR 2018) over any GeneralizedRCNN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.modeling.roi_heads import Res5ROIHeads, StandardROIHeads
from detectron2.structures import Boxes, ImageList
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from snr_plugins.detection.adaptation.config import prepare_pair
from snr_plugins.detection.adaptation.domains import (
    Seen,
    keeping_statistics,
    looking_at,
    proposing,
    split_domains,
)
from snr_plugins.detection.adaptation.watch import DiscriminatorWatch
from snr_plugins.detection.meta_arch import LOG_PERIOD, Restitution
from snr_plugins.errors import InputError
from snr_plugins.nn.domain_classifiers import (
    SOURCE,
    TARGET,
    accuracy,
    consistency_loss,
    domain_loss,
    image_classifier,
    instance_classifier,
    within_image,
)

if TYPE_CHECKING:
    from detectron2.modeling import GeneralizedRCNN as Detector  # what the mixin may ask for
else:
    Detector = object

Logits = list[Tensor]  # of each image, flat


class DomainAdversarial(Detector):
    """Mixin over a GeneralizedRCNN that trains on pairs (`register_adaptation`).

    The source's half of a batch goes through the detector as ever, with the restitution loss where
    that is mixed in; the target's through backbone, proposals and box head alone. The backbone runs
    once for each domain: padded together, the larger images would give away the smaller ones'
    domain, and change the statistics in SNR. Each domain counts a half in every loss, whatever its
    size and however many RoIs it has. Images whose style SNR's trust learns are those of both
    domains, since the network learns to work on both.

    ``loss_domain_image``, ``loss_domain_instance`` and ``loss_domain_consistency`` are weighted.
    Accuracies, and the alignment of each map, are logged under ``adaptation/``.

    Args:
        domain_features: maps that an image classifier each looks at.
        domain_image_weight, domain_instance_weight, domain_consistency_weight: of the losses.
        domain_image_reversal, domain_instance_reversal: factors of the reversed gradients.
        domain_consistency_factor: of the gradient that is not reversed.
        domain_image_lr_factor, domain_instance_lr_factor: of the classifiers' gradients.
        target_statistics: whether batch norms that learn keep the target's statistics alone.
        domain_patience: iterations before a classifier that does not learn is warned of.
        kwargs: the detector's own.

    Raises:
        InputError: the RoI heads are none whose box vectors are known; a map is none of the
            backbone's; a factor of the learning rate is not above 0.
    """

    @configurable
    def __init__(
        self,
        *,
        domain_features: Sequence[str],
        domain_image_weight: float = 1.0,
        domain_instance_weight: float = 1.0,
        domain_consistency_weight: float = 0.1,
        domain_image_reversal: float = 0.1,
        domain_instance_reversal: float = 0.1,
        domain_consistency_factor: float = 0.1,
        domain_image_lr_factor: float = 1.0,
        domain_instance_lr_factor: float = 1.0,
        domain_patience: int = 1000,
        target_statistics: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.domain_features = list(domain_features)
        self.domain_weights = {
            "image": domain_image_weight,
            "instance": domain_instance_weight,
            "consistency": domain_consistency_weight,
        }
        self.domain_reversals = {
            "image": domain_image_reversal,
            "instance": domain_instance_reversal,
        }
        self.domain_consistency_factor = domain_consistency_factor
        shapes = self.backbone.output_shape()
        absent = [name for name in self.domain_features if name not in shapes]
        if absent:
            raise InputError(
                f"MODEL.DOMAIN_ADVERSARIAL.FEATURES names {absent[0]}; the backbone's maps are "
                f"{', '.join(shapes)}"
            )
        self.domain_strides = {name: shapes[name].stride for name in self.domain_features}
        if domain_consistency_weight > 0 and not (domain_image_weight and domain_instance_weight):
            raise InputError(
                "MODEL.DOMAIN_ADVERSARIAL.CONSISTENCY_WEIGHT compares both classifiers: set it to "
                "0.0, or IMAGE_WEIGHT and INSTANCE_WEIGHT above 0"
            )
        self.image_classifiers = nn.ModuleDict(
            {
                name: image_classifier(shapes[name].channels, lr_factor=domain_image_lr_factor)
                for name in self.domain_features
                if domain_image_weight
            }
        )
        self.instance_classifier = None
        if domain_instance_weight:
            self.instance_classifier = instance_classifier(
                _vector_length(self.roi_heads), lr_factor=domain_instance_lr_factor
            )
        self.target_statistics = target_statistics
        self._watch = DiscriminatorWatch(max(1, domain_patience // LOG_PERIOD))

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        prepare_pair(cfg)
        keys = cfg.MODEL.DOMAIN_ADVERSARIAL
        return {
            **super().from_config(cfg),
            "domain_features": keys.FEATURES or cfg.MODEL.RPN.IN_FEATURES,
            "domain_image_weight": keys.IMAGE_WEIGHT,
            "domain_instance_weight": keys.INSTANCE_WEIGHT,
            "domain_consistency_weight": keys.CONSISTENCY_WEIGHT,
            "domain_image_reversal": keys.IMAGE_REVERSAL,
            "domain_instance_reversal": keys.INSTANCE_REVERSAL,
            "domain_consistency_factor": keys.CONSISTENCY_FACTOR,
            "domain_image_lr_factor": keys.IMAGE_LR_FACTOR,
            "domain_instance_lr_factor": keys.INSTANCE_LR_FACTOR,
            "target_statistics": cfg.MODEL.TARGET_STATISTICS,
            "domain_patience": max(200, cfg.SOLVER.MAX_ITER // 4),
        }

    def __call__(self, batched_inputs: list[dict], *args: Any, **kwargs: Any) -> Any:
        """As the detector's; in training the domain losses too, on batches of both domains."""
        if not self.training:
            return super().__call__(batched_inputs, *args, **kwargs)
        source, target = split_domains(batched_inputs)
        both = self._seen_by_both()
        keeping = keeping_statistics(*both) if self.target_statistics else nullcontext()
        with looking_at(self) as seen_source, keeping:
            losses = super().__call__(source, *args, **kwargs)
        images, seen_target = self._look_at_target(target)
        source_sizes = [tuple(x["image"].shape[-2:]) for x in source]
        return {
            **losses,
            **self._domain_losses(
                (seen_source, source_sizes), (seen_target, list(images.image_sizes))
            ),
        }

    def _seen_by_both(self) -> list[nn.Module]:
        """The parts that learn from the target's images too."""
        if self.instance_classifier is None:
            return [self.backbone]
        return [self.backbone, _box_head(self.roi_heads)]

    def _look_at_target(self, target: list[dict]) -> tuple[ImageList, Seen]:
        """Maps and, for random proposals, as many as are learned from, the RoIs' vectors."""
        images = self.preprocess_image(target)
        seen = Seen(features=self.backbone(images.tensor))
        if self.instance_classifier is None:
            return images, seen
        with torch.no_grad(), proposing(self.proposal_generator):
            proposals, _ = self.proposal_generator(images, seen.features, None)
        for image in proposals:
            boxes = image.proposal_boxes
            chosen = torch.randperm(len(boxes), device=boxes.device)
            seen.boxes.append(boxes[chosen[: self.roi_heads.batch_size_per_image]])
        seen.vectors = _vectors(self.roi_heads, seen.features, seen.boxes)
        return images, seen

    def _domain_losses(self, *domains: tuple[Seen, list[tuple[int, int]]]) -> dict[str, Tensor]:
        """The three losses, from what was seen of source and target, with the images' sizes."""
        halves: dict[str, list[Tensor]] = {name: [] for name in self.domain_weights}
        accuracies: dict[str, list[Tensor]] = {}
        for domain, (seen, sizes) in zip((SOURCE, TARGET), domains, strict=True):
            image = self._image_logits(seen, sizes, -self.domain_reversals["image"])
            if image:
                levels = [domain_loss(logits, domain) for logits in image.values()]
                halves["image"].append(torch.stack(levels).mean())
                for name, logits in image.items():
                    accuracies.setdefault(f"image_{name}", []).append(accuracy(logits, domain))
            if self.instance_classifier is None:
                continue
            instance = self._instance_logits(seen, -self.domain_reversals["instance"])
            # one mean over all RoIs of the domain
            halves["instance"].append(domain_loss([torch.cat(instance)], domain))
            accuracies.setdefault("instance", []).append(accuracy(instance, domain))
            if self.domain_weights["consistency"]:
                factor = self.domain_consistency_factor
                halves["consistency"].append(
                    consistency_loss(
                        list(self._image_logits(seen, sizes, factor).values()),
                        self._instance_logits(seen, factor),
                    )
                )
        losses = {name: torch.stack(both).mean() for name, both in halves.items() if both}
        self._log(losses, {name: torch.stack(both).mean() for name, both in accuracies.items()})
        return {
            f"loss_domain_{name}": self.domain_weights[name] * loss for name, loss in losses.items()
        }

    def _image_logits(
        self, seen: Seen, sizes: list[tuple[int, int]], factor: float
    ) -> dict[str, Logits]:
        return {
            name: within_image(
                classifier(seen.features[name], factor), sizes, self.domain_strides[name]
            )
            for name, classifier in self.image_classifiers.items()
        }

    def _instance_logits(self, seen: Seen, factor: float) -> Logits:
        assert self.instance_classifier is not None
        logits = self.instance_classifier(seen.vectors, factor).flatten()
        return list(logits.split(seen.counts()))

    def _log(self, losses: Mapping[str, Tensor], accuracies: Mapping[str, Tensor]) -> None:
        storage = get_event_storage()
        if storage.iter % LOG_PERIOD:
            return
        values = {name: float(value) for name, value in accuracies.items()}
        for name, value in values.items():
            storage.put_scalar(f"adaptation/accuracy_{name}", value)
            # 1: the classifier guesses; 0: it is right (or wrong) about all
            storage.put_scalar(f"adaptation/alignment_{name}", 1 - abs(2 * value - 1))
        self._watch.see(
            storage.iter, {n: float(losses[n]) for n in ("image", "instance") if n in losses}
        )


def _vector_length(heads: nn.Module) -> int:
    """Channels of the vectors that boxes are classified by."""
    known = isinstance(heads, Res5ROIHeads | StandardROIHeads)
    if known and hasattr(heads.box_predictor, "cls_score"):
        return heads.box_predictor.cls_score.in_features
    raise InputError(
        f"MODEL.ROI_HEADS.NAME {type(heads).__name__}: the classifier of RoIs knows Res5ROIHeads "
        "and StandardROIHeads; take one of them, or set MODEL.DOMAIN_ADVERSARIAL.INSTANCE_WEIGHT "
        "and CONSISTENCY_WEIGHT to 0.0"
    )


def _box_head(heads: nn.Module) -> nn.Module:
    return heads.res5 if isinstance(heads, Res5ROIHeads) else heads.box_head


def _vectors(heads: nn.Module, features: Mapping[str, Tensor], boxes: Sequence[Boxes]) -> Tensor:
    """(R, C) for the boxes of all images, as the heads make them for their box predictor."""
    if isinstance(heads, Res5ROIHeads):
        maps = [features[name] for name in heads.in_features]
        return _box_head(heads)(heads.pooler(maps, boxes)).mean(dim=(2, 3))
    maps = [features[name] for name in heads.box_in_features]
    return _box_head(heads)(heads.box_pooler(maps, boxes))


@META_ARCH_REGISTRY.register()
class DomainAdversarialRCNN(DomainAdversarial, GeneralizedRCNN):
    """GeneralizedRCNN that adapts by domain classifiers."""


@META_ARCH_REGISTRY.register()
class SNRDomainAdversarialRCNN(DomainAdversarial, Restitution, GeneralizedRCNN):
    """The same with SNR, whose restitution loss sees the source alone."""
