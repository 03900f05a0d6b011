"""Maximum classifier discrepancy (MCD) in MMSegmentation: Saito et al., CVPR 2018."""

from __future__ import annotations

import copy
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor

from snr_plugins.nn.discrepancy import discrepancy
from snr_plugins.openmmlab.steps import DiscrepancySteps, frozen
from snr_plugins.segmentation.adaptation.segmentor import Domains, SourceTargetSegmentor, Target
from snr_plugins.segmentation.segmentor import RestitutionSegmentor


class MaximumDiscrepancy(DiscrepancySteps, SourceTargetSegmentor):
    """Mixin: a second ``decode_head``, and the three kinds of updates of `DiscrepancySteps`.

    The first head is tested. Here the backbone and neck are the generator and the whole decode head
    the classifier; the authors' DRN has the last 1x1 convolution in the generator.

    Args:
        generator_steps: how often C comes; the authors' 4.
        discrepancy_weight: of the discrepancy in B and C; the authors' 1.
        kwargs: the segmentor's own.

    Raises:
        InputError: as `DiscrepancySteps`.
    """

    def __init__(
        self,
        *args: Any,
        decode_head: dict,
        generator_steps: int = 4,
        discrepancy_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        second = copy.deepcopy(decode_head)
        super().__init__(*args, decode_head=decode_head, **kwargs)
        self.decode_head_2 = MODELS.build(second)
        self.generator_steps = generator_steps
        self.discrepancy_weight = discrepancy_weight

    def everything_losses(self, inputs: Domains, samples: Domains) -> dict[str, Tensor]:
        """A: every loss of the segmentor on the source, and the second head's."""
        return self.source_losses(inputs, samples)

    def heads_losses(self, inputs: Domains, samples: Domains) -> dict[str, Tensor]:
        """B: both heads' losses on the source, less their discrepancy on the target."""
        images, labelled = self.source_of(inputs, samples)
        target = self.target_of(inputs, samples)
        with torch.no_grad():
            of_source = self.extract_feat(images)
            of_target = self.extract_feat(target.images)
        losses = self._decode_head_forward_train(of_source, labelled)
        apart = self._discrepancy(of_target, target)
        return {**losses, "loss_discrepancy": -self.discrepancy_weight * apart}

    def generator_losses(self, inputs: Domains, samples: Domains) -> dict[str, Tensor]:
        """C: the discrepancy on the target, of which the heads learn nothing."""
        target = self.target_of(inputs, samples)
        with frozen(self.decode_head, self.decode_head_2):
            apart = self._discrepancy(self.extract_feat(target.images), target)
        return {"loss_discrepancy": self.discrepancy_weight * apart}

    def _decode_head_forward_train(
        self, inputs: list[Tensor], data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        losses = super()._decode_head_forward_train(inputs, data_samples)
        second = self.decode_head_2.loss(inputs, data_samples, self.train_cfg)
        return {**losses, **add_prefix(second, "decode_2")}

    def _discrepancy(self, features: list[Tensor], target: Target) -> Tensor:
        first, second = (
            self.scores(head, features, target.images).softmax(dim=1)
            for head in (self.decode_head, self.decode_head_2)
        )
        return discrepancy(first, second, target.valid)


@MODELS.register_module()
class MCDEncoderDecoder(MaximumDiscrepancy, EncoderDecoder):
    """EncoderDecoder with MCD."""


@MODELS.register_module()
class SNRMCDEncoderDecoder(MaximumDiscrepancy, RestitutionSegmentor, EncoderDecoder):
    """EncoderDecoder with MCD, and the restitution loss on the source in update A."""
