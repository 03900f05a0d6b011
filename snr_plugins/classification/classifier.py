"""MMPretrain's classifier with the restitution loss on pooled vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from mmengine.logging import MessageHub
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from snr_plugins.errors import InputError
from snr_plugins.nn import (
    Observation,
    RestitutionLoss,
    RestitutionTerms,
    StageLosses,
    find_layers,
    find_snr,
    style_distances,
)


@MODELS.register_module()
class SNRImageClassifier(ImageClassifier):
    """ImageClassifier that adds ``loss_snr_restitution`` and ``loss_snr_probe`` in training.

    Both are summed over all SNRs, already weighted. Inference is the classifier's own; the samples
    that ``predict`` hands out have one more field among their meta information, ``style_distance``:
    the SNRs' names with d / t of :func:`snr_plugins.nn.style_distances`. Far above 1 the image
    looks like nothing that the network has learned.

    Args:
        snr_loss_weight: weight of the restitution loss; with both weights 0 it is not computed.
        snr_probe_weight: weight of the probes' cross-entropy.
        snr_loss_terms: "both" halves of the restitution loss, or "plus" or "minus" alone.
        kwargs: the classifier's own.

    Raises:
        InputError: the backbone has no style layer, or training would mix the images' labels.
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
                f"{type(self).__name__}: the backbone has no SNR; set backbone to "
                "dict(type='SNRBackbone', backbone=dict(...), after=[...])"
            )
        self.snr_losses = StageLosses(
            find_snr(self), self.head.num_classes, snr_loss_weight, snr_probe_weight, snr_loss_terms
        )
        if self.snr_losses and getattr(self.data_preprocessor, "batch_augments", None):
            raise InputError(
                f"{type(self).__name__}: train_cfg.augments mixes the labels of images, and the "
                "restitution loss needs one class of each: remove one of the two"
            )

    def loss(self, inputs: Tensor, data_samples: list[DataSample]) -> dict[str, Tensor]:
        """As the classifier's own; two more losses.

        Args:
            inputs: (N, C, H, W).
            data_samples: N, each with its class.
        """
        if not self.snr_losses:
            return super().loss(inputs, data_samples)
        labels = torch.cat([sample.gt_label for sample in data_samples])  # (N,)
        with self.snr_losses.observing(partial(_on_pooled_vectors, labels)) as terms:
            losses = super().loss(inputs, data_samples)
        # The message hub's latest values are shown by MMEngine's logger: whatever is in the loss
        # dict and called a loss would be summed.
        hub = MessageHub.get_current_instance()
        for name, value in self.snr_losses.diagnostics(terms).items():
            hub.update_scalar(f"train/snr/{name}", value)
        return {**losses, **self.snr_losses.weighted(terms)}

    def predict(
        self, inputs: Tensor, data_samples: list[DataSample] | None = None, **kwargs: Any
    ) -> list[DataSample]:
        """As the classifier's own; each sample gains ``style_distance``."""
        with style_distances(self) as distances:
            samples = super().predict(inputs, data_samples, **kwargs)
        means = {name: torch.stack(passes).mean(0).tolist() for name, passes in distances.items()}
        for index, sample in enumerate(samples):
            sample.set_metainfo({"style_distance": {n: d[index] for n, d in means.items()}})
        return samples


def _on_pooled_vectors(
    labels: Tensor, name: str, loss: RestitutionLoss, seen: Observation
) -> RestitutionTerms:
    return loss.pooled(seen, labels)
