"""MaxSquare in MMSegmentation: Chen, Xue, Cai, ICCV 2019."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor

from snr_plugins.errors import InputError
from snr_plugins.nn.max_square import image_wise_max_square, max_square
from snr_plugins.nn.pseudo_labels import IGNORED, agreed_labels, pseudo_cross_entropy
from snr_plugins.segmentation.adaptation.segmentor import SourceTargetSegmentor, Target
from snr_plugins.segmentation.segmentor import RestitutionSegmentor


class MaxSquare(SourceTargetSegmentor):
    """Mixin: adds ``loss_max_square`` of the target, and of its auxiliary head if wanted.

    The defaults are those of the authors' code from GTA5 and SYNTHIA to Cityscapes. They begin with
    a network that was trained on the source (MMEngine's ``load_from``).

    Args:
        target_weight: of the loss, and a factor of the auxiliary head's; 0 is the control: the
            target passes through the network, which moves the statistics of batch norm and trust,
            and teaches nothing.
        image_wise: whether pixels of classes rare in their image weigh more; the authors' plain
            form is half as large at ``ratio`` 0.
        ratio: how much more, from 0 to 1.
        multi_level: whether the auxiliary head learns from what both heads agree on. The authors'
            target_weight is then 0.09.
        aux_weight: of that, times target_weight.
        threshold: above which a head counts as sure; the authors' is 0.98 for Cross-City.
        kwargs: the segmentor's own.

    Raises:
        InputError: ``multi_level`` without exactly one auxiliary head.
    """

    def __init__(
        self,
        *args: Any,
        target_weight: float = 0.1,
        image_wise: bool = True,
        ratio: float = 0.2,
        multi_level: bool = False,
        aux_weight: float = 0.1,
        threshold: float = 0.95,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if multi_level and not isinstance(getattr(self, "auxiliary_head", None), BaseDecodeHead):
            raise InputError(
                f"{type(self).__name__} with multi_level=True needs one auxiliary_head: add it, or "
                "set multi_level=False."
            )
        self.target_weight = target_weight
        self.image_wise = image_wise
        self.ratio = ratio
        self.multi_level = multi_level
        self.aux_weight = aux_weight
        self.threshold = threshold

    def target_losses(self, target: Target) -> dict[str, Tensor]:
        """``loss_max_square``, ``loss_max_square_aux`` and how sure the network is on average."""
        teaches = contextlib.nullcontext() if self.target_weight else torch.no_grad()
        with teaches:
            features = self.extract_feat(target.images)
            main = self.scores(self.decode_head, features, target.images).softmax(dim=1)
            losses = {"loss_max_square": self.target_weight * self._of_main(main, target.valid)}
            if self.multi_level:
                aux = self.scores(self.auxiliary_head, features, target.images)
                losses["loss_max_square_aux"] = (
                    self.target_weight * self.aux_weight * self._of_aux(main, aux, target.valid)
                )
        highest = main.detach().amax(dim=1)
        return {**losses, "target_confidence": highest[target.valid].mean()}

    def _of_main(self, main: Tensor, valid: Tensor) -> Tensor:
        if self.image_wise:
            return image_wise_max_square(main, valid, self.ratio)
        return max_square(main, valid)

    def _of_aux(self, main: Tensor, aux: Tensor, valid: Tensor) -> Tensor:
        labels = agreed_labels(main, aux.softmax(dim=1), self.threshold, valid)
        return pseudo_cross_entropy(aux, labels, (labels != IGNORED).sum())


@MODELS.register_module()
class MaxSquareEncoderDecoder(MaxSquare, EncoderDecoder):
    """EncoderDecoder with MaxSquare."""


@MODELS.register_module()
class SNRMaxSquareEncoderDecoder(MaxSquare, RestitutionSegmentor, EncoderDecoder):
    """EncoderDecoder with MaxSquare, and the restitution loss on the source."""
