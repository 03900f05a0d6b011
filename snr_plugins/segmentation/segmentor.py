"""MMSegmentation's segmentors with the restitution loss on pixels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn import (
    Observation,
    RestitutionLoss,
    RestitutionTerms,
    StageLosses,
    find_layers,
    find_snr,
    remade_outputs,
    style_distances,
)

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder as Segmentor  # what the mixin may ask for
else:
    Segmentor = object


class RestitutionSegmentor(Segmentor):
    """Mixin over a segmentor: adds ``loss_snr_restitution`` and ``loss_snr_probe`` in training.

    Both are summed over all SNRs of the segmentor, already weighted, and sit in the dict
    that MMEngine's ``parse_losses`` sums. Inference is the segmentor's own; the samples that
    ``predict`` hands out have one more field among their meta information, ``style_distance``: the
    SNRs' names with d / t of :func:`snr_plugins.nn.style_distances`, averaged over the windows of a
    sliding inference. Far above 1 the image looks like nothing that the network has learned.

    Args:
        snr_loss_weight: weight of the restitution loss; with both weights 0 it is not computed.
        snr_probe_weight: weight of the probes' cross-entropy.
        snr_loss_terms: "both" halves of the restitution loss, or "plus" or "minus" alone.
        kwargs: the segmentor's own.

    Raises:
        InputError: the segmentor has no SNR.
    """

    def __init__(
        self,
        *args: Any,
        snr_loss_weight: float = 0.1,
        snr_probe_weight: float = 0.1,
        snr_loss_terms: str = "both",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not find_layers(self):
            raise InputError(
                f"{type(self).__name__}: neither the backbone nor the neck has an SNR; set "
                "backbone.type to SNRResNet, SNRResNetV1c or SNRDRN, with snr_stages, or to "
                "SNRBackbone, or add neck=dict(type='SNRNeck', ...)"
            )
        self.snr_losses = StageLosses(
            find_snr(self), self.num_classes, snr_loss_weight, snr_probe_weight, snr_loss_terms
        )

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """As the segmentor's own; two more losses."""
        with remade_outputs(self):
            return self._losses(inputs, data_samples)

    def _losses(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        if not self.snr_losses:
            return super().loss(inputs, data_samples)
        labels = torch.stack([sample.gt_sem_seg.data for sample in data_samples])  # (N, 1, H, W)
        with self.snr_losses.observing(partial(self.restitution_on_pixels, labels)) as terms:
            losses = super().loss(inputs, data_samples)
        # The message hub's latest values are shown by MMEngine's logger: whatever is in the loss
        # dict and called a loss would be summed.
        hub = MessageHub.get_current_instance()
        for name, value in self.snr_losses.diagnostics(terms).items():
            hub.update_scalar(f"train/snr/{name}", value)
        return {**losses, **self.snr_losses.weighted(terms)}

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """As the segmentor's own; each sample gains ``style_distance``."""
        with style_distances(self) as distances:
            samples = super().predict(inputs, data_samples)
        means = {name: torch.stack(passes).mean(0).tolist() for name, passes in distances.items()}
        for index, sample in enumerate(samples):
            sample.set_metainfo({"style_distance": {n: d[index] for n, d in means.items()}})
        return samples

    def restitution_on_pixels(
        self, labels: Tensor, name: str, loss: RestitutionLoss, seen: Observation
    ) -> RestitutionTerms:
        """The loss of one SNR: a `snr_plugins.nn.stage_losses.Form` once labels are given.

        Args:
            labels: (N, 1, H, W) class ids.
            name, loss, seen: of the SNR.
        """
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
    """EncoderDecoder with the restitution loss."""


@MODELS.register_module()
class SNRCascadeEncoderDecoder(RestitutionSegmentor, CascadeEncoderDecoder):
    """CascadeEncoderDecoder with the restitution loss."""
