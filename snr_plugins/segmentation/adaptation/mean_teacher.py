"""Mean teacher in MMSegmentation: Tarvainen and Valpola, 2017, with thresholded pseudo-labels."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from snr_plugins.errors import InputError
from snr_plugins.nn.pseudo_labels import IGNORED, confident_labels, pseudo_cross_entropy
from snr_plugins.nn.strong_view import StrongView
from snr_plugins.nn.teacher import Teacher
from snr_plugins.segmentation.adaptation.segmentor import SourceTargetSegmentor, Target
from snr_plugins.segmentation.segmentor import RestitutionSegmentor


class MeanTeacher(SourceTargetSegmentor):
    """Mixin: on the target the network learns what an average of itself is sure of.

    The teacher sees the image as the pipeline made it, the student a `StrongView` of it. The loss
    is the cross-entropy with the teacher's confident labels, divided by all pixels, so that few
    labels weigh little (Sohn et al., FixMatch, 2020).

    Under gradient accumulation the teacher follows the student in every iteration, not in every
    step.

    Args:
        target_weight: of the loss; 0 is the control.
        threshold: of the teacher's probability, above which a pixel is labelled.
        momentum: the largest share of the teacher that stays in an iteration; over the first
            1 / (1 - momentum) it is the mean of all students so far.
        strong: arguments of :class:`snr_plugins.nn.StrongView`.
        test_with: who is tested, ``"teacher"`` or ``"student"``.
        kwargs: the segmentor's own.

    Raises:
        InputError: ``test_with`` is neither; no probability can be above ``threshold``.
    """

    def __init__(
        self,
        *args: Any,
        target_weight: float = 1.0,
        threshold: float = 0.9,
        momentum: float = 0.999,
        strong: dict[str, float] | None = None,
        test_with: str = "teacher",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if test_with not in ("teacher", "student"):
            raise InputError(
                f"{type(self).__name__} has test_with={test_with!r}: choose teacher or student."
            )
        if not 0 <= threshold < 1:
            raise InputError(
                f"{type(self).__name__} has threshold={threshold}; probabilities are from 0 to 1."
            )
        self.target_weight = target_weight
        self.threshold = threshold
        self.test_with = test_with
        self.strong = StrongView(**(strong or {}))
        self.teacher: Teacher | None = None  # in the teacher itself
        self.teacher = Teacher(self, momentum)

    def loss(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """The teacher follows first: it has the statistics of the last step, not of this source."""
        assert self.teacher is not None
        self.teacher.follow(self)
        return super().loss(inputs, data_samples)

    def target_losses(self, target: Target) -> dict[str, Tensor]:
        """``loss_target``, and the share of pixels that the teacher labels."""
        labels = confident_labels(self._of_teacher(target.images), self.threshold, target.valid)
        features = self.extract_feat(self._strong(target.images))
        scores = self.scores(self.decode_head, features, target.images)
        pixels = target.valid.sum()
        loss = pseudo_cross_entropy(scores, labels, pixels)
        return {
            "loss_target": self.target_weight * loss,
            "target_labelled": (labels != IGNORED).sum() / pixels,
        }

    @torch.no_grad()
    def _of_teacher(self, images: Tensor) -> Tensor:
        teacher = self.teacher.module  # type: ignore[union-attr]  # checked by the caller
        features = teacher.extract_feat(images)
        return teacher.scores(teacher.decode_head, features, images).softmax(dim=1)

    def _strong(self, images: Tensor) -> Tensor:
        processor = self.data_preprocessor
        strong = self.strong(processor.pixels(images), bgr=processor.blue_first)
        return processor.normalise(strong)

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None, **kwargs: Any
    ) -> list[SegDataSample]:
        """The teacher's, unless the student is to be tested or there has been no training."""
        teacher = self.teacher
        if teacher is None or self.test_with == "student" or teacher.updates == 0:
            return super().predict(inputs, data_samples, **kwargs)
        return teacher.module.predict(inputs, data_samples, **kwargs)


@MODELS.register_module()
class MeanTeacherEncoderDecoder(MeanTeacher, EncoderDecoder):
    """EncoderDecoder with a mean teacher."""


@MODELS.register_module()
class SNRMeanTeacherEncoderDecoder(MeanTeacher, RestitutionSegmentor, EncoderDecoder):
    """EncoderDecoder with a mean teacher, and the restitution loss on the source."""
