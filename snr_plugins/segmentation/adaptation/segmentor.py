"""What the methods share: the source's loss is the segmentor's own, the target's the method's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.structures import SegDataSample
from torch import Tensor

from snr_plugins.errors import InputError
from snr_plugins.segmentation.adaptation.preprocessor import NOT_LABELLED

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder as Segmentor  # what the mixin may ask for
else:
    Segmentor = object

Domains = dict[str, Any]  # "source" and "target" to images or samples


@dataclass(frozen=True)
class Target:
    """The images of the target in a batch.

    Args:
        images: (N, 3, H, W), normalised.
        valid: (N, H, W), bool, False in padding.
    """

    images: Tensor
    valid: Tensor


class SourceTargetSegmentor(Segmentor):
    """Mixin over an ``EncoderDecoder`` that is trained on a source and a target together.

    The backbone runs on each domain by itself. The source has every loss of the segmentor, the
    restitution loss too; to them `target_losses` adds. Inference is the segmentor's own.

    An SNR with trust learns the styles of all images that pass in training: both domains, since
    both are what the network is made for. Batch norm's statistics come to it in the same way.

    Args:
        kwargs: the segmentor's own.

    Raises:
        InputError: the head has no score for each class; or, in training, a batch comes without its
            domains told apart.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.decode_head, BaseDecodeHead) or self.decode_head.out_channels < 2:
            raise InputError(
                f"{type(self).__name__} compares the scores of two or more classes of one "
                "decode_head: choose one with out_channels=num_classes."
            )

    def loss(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """The source's losses as the segmentor computes them, and the target's.

        Args:
            inputs, data_samples: of both domains, as `SourceTargetPreProcessor` gives them.
        """
        losses = self.source_losses(inputs, data_samples)
        return {**losses, **self.target_losses(self.target_of(inputs, data_samples))}

    def source_losses(self, inputs: Domains, data_samples: Domains) -> dict[str, Tensor]:
        """The segmentor's own, on the source alone."""
        return super().loss(*self.source_of(inputs, data_samples))

    def target_losses(self, target: Target) -> dict[str, Tensor]:
        """Losses of the target, weighted; names with ``loss`` in them are summed by MMEngine."""
        raise NotImplementedError

    def source_of(self, inputs: Domains, samples: Domains) -> tuple[Tensor, list[SegDataSample]]:
        """Images (N, 3, H, W) and samples of the source."""
        if not isinstance(inputs, dict):
            raise InputError(
                f"{type(self).__name__} trains on batches of two domains: set "
                "model.data_preprocessor.type to SourceTargetPreProcessor."
            )
        return inputs["source"], samples["source"]

    def target_of(self, inputs: Domains, samples: Domains) -> Target:
        """Images of the target, and where they are padded."""
        labels = torch.stack([sample.gt_sem_seg.data for sample in samples["target"]])
        return Target(inputs["target"], labels.squeeze(1) == NOT_LABELLED)

    def scores(self, head: BaseDecodeHead, features: list[Tensor], like: Tensor) -> Tensor:
        """A head's scores (N, C, H, W), as large as the images ``like``, as in its own loss.

        Raises:
            InputError: in training the head has something else beside scores, as EncHead.
        """
        scores = head(features)
        if not isinstance(scores, Tensor):
            raise InputError(
                f"{type(head).__name__} puts out more than scores in training, and "
                f"{type(self).__name__} knows nothing of the rest: choose a head without, such as "
                "FCNHead or ASPPHead, or of EncHead use_se_loss=False."
            )
        return resize(scores, like.shape[2:], mode="bilinear", align_corners=head.align_corners)
