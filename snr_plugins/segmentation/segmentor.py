"""MMSegmentation's segmentors with the restitution loss on pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.logging import MessageHub
from mmseg.models import CascadeEncoderDecoder, EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn import RestitutionLoss, RestitutionTerms, Step, find_snr, observed


class RestitutionSegmentor:
    """Mixin over a segmentor: adds ``loss_snr_restitution`` and ``loss_snr_probe`` in training.

    Both are summed over all SNRs of the segmentor, already weighted, and sit in the dict
    that MMEngine's ``parse_losses`` sums. Inference is the segmentor's own.

    Args:
        snr_loss_weight: weight of the restitution loss; with both weights 0 it is not computed.
        snr_probe_weight: weight of the probes' cross-entropy.
        kwargs: the segmentor's own.

    Raises:
        InputError: the segmentor has no SNR.
    """

    def __init__(
        self,
        *args: object,
        snr_loss_weight: float = 0.1,
        snr_probe_weight: float = 0.1,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.snr_loss_weight = snr_loss_weight
        self.snr_probe_weight = snr_probe_weight
        self._snr = find_snr(self)
        if not self._snr:
            raise InputError(
                f"{type(self).__name__}: neither the backbone nor the neck has an SNR; set "
                "backbone.type to SNRResNet, SNRResNetV1c or SNRDRN, with snr_stages, or add "
                "neck=dict(type='SNRNeck', ...)"
            )
        self.snr_losses = nn.ModuleDict()
        if snr_loss_weight > 0 or snr_probe_weight > 0:
            for name, snr in self._snr.items():
                self.snr_losses[_key(name)] = RestitutionLoss(
                    snr.norm.num_features, self.num_classes
                )

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """As the segmentor's own; two more losses."""
        if len(self.snr_losses) == 0:
            return super().loss(inputs, data_samples)
        labels = torch.stack([sample.gt_sem_seg.data for sample in data_samples])  # (N, 1, H, W)
        terms: dict[str, RestitutionTerms] = {}

        def observe(name: str, step: Step) -> None:
            # nearest: a label is a name, not a quantity
            size = step.features.shape[2:]
            small = F.interpolate(labels.float(), size, mode="nearest").squeeze(1).long()
            terms[name] = self.snr_losses[_key(name)].pixels(step, small, self._ignore_index)

        with observed(self._snr, observe):
            losses = super().loss(inputs, data_samples)
        for name in terms:
            _log(name, terms[name])
        restitution = sum(t.restitution for t in terms.values())
        losses["loss_snr_restitution"] = self.snr_loss_weight * restitution
        losses["loss_snr_probe"] = self.snr_probe_weight * sum(t.probe for t in terms.values())
        return losses

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


def _key(name: str) -> str:
    """A module name cannot hold dots: ``backbone.layer1.snr`` becomes ``backbone_layer1``."""
    return name.removesuffix(".snr").replace(".", "_")


def _log(name: str, terms: RestitutionTerms) -> None:
    """Diagnostics go to the message hub, whose latest values MMEngine's logger shows: whatever is
    in the loss dict and called a loss would be summed."""
    hub = MessageHub.get_current_instance()
    for feature in ("enhanced", "normalised", "contaminated"):
        entropy = getattr(terms, f"entropy_{feature}")
        hub.update_scalar(f"train/snr/{_key(name)}/entropy_{feature}", entropy)
