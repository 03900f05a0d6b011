"""MMSegmentation's segmentors with the restitution loss on pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from snr_plugins.nn import Observation, RestitutionLoss, RestitutionTerms
from snr_plugins.openmmlab.restitution import RestitutionModel


class RestitutionSegmentor(RestitutionModel):
    """Mixin over a segmentor: the restitution loss compares pixels, but for the ignored ones."""

    where_to_put_snr = (
        "neither the backbone nor the neck has an SNR; set backbone.type to SNRResNet, "
        "SNRResNetV1c or SNRDRN, with snr_stages, or to SNRBackbone, or add "
        "neck=dict(type='SNRNeck', ...)"
    )

    @property
    def restitution_classes(self) -> int:
        """The decode head's."""
        return self.num_classes

    def restitution_labels(self, samples: Sequence[SegDataSample]) -> Tensor:
        """(N, 1, H, W)."""
        return torch.stack([sample.gt_sem_seg.data for sample in samples])

    def restitution(
        self,
        labels: Tensor,
        name: str,
        loss: RestitutionLoss,
        seen: Observation,
    ) -> RestitutionTerms:
        """On pixels; the labels as small as the SNR's map."""
        # nearest: a label is a name, not a quantity
        size = seen.grid(*labels.shape[2:])
        small = F.interpolate(labels.float(), size, mode="nearest").long()
        # tokens are a map of one column
        small = small.view(len(small), *seen.features.shape[2:])
        return loss.pixels(seen, small, self._ignore_index)

    @property
    def _ignore_index(self) -> int:
        head = self.decode_head
        return (head[-1] if isinstance(head, nn.ModuleList) else head).ignore_index


@MODELS.register_module()
class SNREncoderDecoder(RestitutionSegmentor, EncoderDecoder):
    """EncoderDecoder with the restitution loss: :class:`RestitutionModel` has the arguments."""


@MODELS.register_module()
class SNRCascadeEncoderDecoder(RestitutionSegmentor, CascadeEncoderDecoder):
    """CascadeEncoderDecoder with the restitution loss."""
