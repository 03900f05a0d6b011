"""Mean-teacher adaptation of any GeneralizedRCNN, as Unbiased Teacher and its followers have it.

Liu et al., Unbiased Teacher, ICLR 2021; Li et al., Adaptive Teacher, CVPR 2022, without its domain
classifier. A teacher, the running average of the student, finds boxes in the target's images as
they are; the student learns those of a high score in strongly changed views of the same images.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import Instances
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, get_event_storage
from torch import Tensor, nn

from snr_plugins.detection.adaptation.config import prepare_pair
from snr_plugins.detection.adaptation.domains import (
    boxes_alone,
    keeping_statistics,
    learns_statistics,
    split_domains,
)
from snr_plugins.detection.adaptation.strong_view import strong_view
from snr_plugins.detection.meta_arch import LOG_PERIOD, Restitution
from snr_plugins.errors import InputError
from snr_plugins.nn import Teacher

if TYPE_CHECKING:
    from detectron2.modeling import GeneralizedRCNN as Detector  # what the mixin may ask for
else:
    Detector = object

# How far a box is off its place; a cascade's names go on with _stage0, _stage1 ...
BOX_LOSSES = ("loss_rpn_loc", "loss_box_reg")


class MeanTeacher(Detector):
    """Mixin over a GeneralizedRCNN that trains on pairs (`register_adaptation`).

    The source's half of a batch goes through the detector as ever, with the restitution loss where
    that is mixed in. Of the target's half the teacher, in evaluation mode, makes boxes; the losses
    of the student on strong views of these images get the ending ``_target``. Weights that a source
    model has learned are the place to start from: a teacher that finds nothing teaches nothing.
    Masks and keypoints learn from the source alone.

    In evaluation the teacher answers, and it travels in the checkpoint beside the student, see
    `snr_plugins.nn.Teacher`. It is updated at the beginning of each step and so lacks the last.

    Args:
        teacher_momentum: largest share of the teacher that stays at an update.
        teacher_threshold: lowest score of a box that is learned.
        teacher_target_weight: weight of the target's losses.
        teacher_target_box_weight: within them, of the losses of the boxes' places.
        teacher_burn_in: iterations of the source alone before there is a teacher.
        target_statistics: whether batch norms that learn keep the target's statistics alone; in the
            backbone, which then sees these once more, those of its images as the teacher sees them.
        kwargs: the detector's own.
    """

    @configurable
    def __init__(
        self,
        *,
        teacher_momentum: float = 0.9996,
        teacher_threshold: float = 0.8,
        teacher_target_weight: float = 1.0,
        teacher_target_box_weight: float = 0.0,
        teacher_burn_in: int = 0,
        target_statistics: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= teacher_threshold < 1:
            raise InputError(
                f"MODEL.MEAN_TEACHER.THRESHOLD is {teacher_threshold}; scores are from 0 to 1"
            )
        self.teacher_threshold = teacher_threshold
        self.teacher_target_weight = teacher_target_weight
        self.teacher_target_box_weight = teacher_target_box_weight
        self.teacher_burn_in = teacher_burn_in
        self.target_statistics = target_statistics
        self.teacher: Teacher | None = None  # the copy has none
        self.teacher = Teacher(self, teacher_momentum)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, object]:
        prepare_pair(cfg)
        keys = cfg.MODEL.MEAN_TEACHER
        return {
            **super().from_config(cfg),
            "teacher_momentum": keys.MOMENTUM,
            "teacher_threshold": keys.THRESHOLD,
            "teacher_target_weight": keys.TARGET_WEIGHT,
            "teacher_target_box_weight": keys.TARGET_BOX_WEIGHT,
            "teacher_burn_in": keys.BURN_IN,
            "target_statistics": cfg.MODEL.TARGET_STATISTICS,
        }

    def __call__(self, batched_inputs: list[dict], *args: Any, **kwargs: Any) -> Any:
        """As the detector's: the teacher's in evaluation, in training the target's losses too."""
        if not self.training:
            if self.teacher is not None and self.teacher.updates > 0:
                return self.teacher(batched_inputs, *args, **kwargs)
            return super().__call__(batched_inputs, *args, **kwargs)
        source, target = split_domains(batched_inputs)
        adapts = get_event_storage().iter >= self.teacher_burn_in
        keeps = adapts and self.target_statistics
        with keeping_statistics(*self._seen_by_both()) if keeps else nullcontext():
            losses = super().__call__(source, *args, **kwargs)
        if self.teacher is None or not adapts:
            return losses
        if self.target_statistics and learns_statistics(self.backbone):
            with torch.no_grad():  # of the images as the teacher sees them, not of strong views
                self.backbone(self.preprocess_image(target).tensor)
        self.teacher.follow(self)
        return {**losses, **self._target_losses(target, self.teacher)}

    def _seen_by_both(self) -> list[nn.Module]:
        """The parts that learn from the target's images too: not the heads of `boxes_alone`."""
        heads = [
            child
            for name, child in self.roi_heads.named_children()
            if not name.startswith(("mask", "keypoint"))
        ]
        return [self.backbone, self.proposal_generator, *heads]

    def inference(self, *args: Any, **kwargs: Any) -> Any:
        """The teacher's, which test-time augmentation asks for."""
        if self.teacher is not None and self.teacher.updates > 0:
            return self.teacher.module.inference(*args, **kwargs)
        return super().inference(*args, **kwargs)

    def _target_losses(self, target: list[dict], teacher: Teacher) -> dict[str, Tensor]:
        """Losses of the student on what the teacher has found, weighted."""
        storage = get_event_storage()
        found = self._found(target, teacher)
        if storage.iter % LOG_PERIOD == 0:
            boxes = sum(map(len, found)) / len(found)
            storage.put_scalar("adaptation/teacher_boxes_per_image", boxes)
        # of this step and process alone: a resumed run has the same views
        generator = torch.Generator().manual_seed(
            storage.iter * comm.get_world_size() + comm.get_rank()
        )
        views = [
            {**x, "image": strong_view(x["image"], generator), "instances": instances}
            for x, instances in zip(target, found, strict=True)
        ]
        # a storage of its own: what the heads log is of the source
        keeps = keeping_statistics(self.backbone) if self.target_statistics else nullcontext()
        with EventStorage(storage.iter), keeps, boxes_alone(self.roi_heads):
            losses = self.forward(views)
        weights = {
            name: self.teacher_target_weight
            * (self.teacher_target_box_weight if name.startswith(BOX_LOSSES) else 1.0)
            for name in losses
        }
        # one without weight is left out: 0 times infinity would end the training
        return {f"{n}_target": weights[n] * loss for n, loss in losses.items() if weights[n]}

    @torch.no_grad()
    def _found(self, target: list[dict], teacher: Teacher) -> list[Instances]:
        """The teacher's boxes of a high score, as ground truth of each image."""
        images = [{key: x[key] for key in ("image", "height", "width") if key in x} for x in target]
        outputs = teacher.module.inference(images, do_postprocess=False)
        found = []
        for output in outputs:
            # below a pixel, as at an image's edge, a box has no place to learn
            keep = (output.scores >= self.teacher_threshold) & output.pred_boxes.nonempty(1.0)
            output = output[keep]
            truth = Instances(output.image_size)
            truth.gt_boxes = output.pred_boxes
            truth.gt_classes = output.pred_classes
            found.append(truth)
        return found


@META_ARCH_REGISTRY.register()
class MeanTeacherRCNN(MeanTeacher, GeneralizedRCNN):
    """GeneralizedRCNN that adapts by a mean teacher."""


@META_ARCH_REGISTRY.register()
class SNRMeanTeacherRCNN(MeanTeacher, Restitution, GeneralizedRCNN):
    """The same with SNR in student and teacher; its restitution loss sees the source alone."""
