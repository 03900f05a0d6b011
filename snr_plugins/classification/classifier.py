"""MMPretrain's classifier with the restitution loss on pooled vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from snr_plugins.errors import InputError
from snr_plugins.nn import Observation, RestitutionLoss, RestitutionTerms
from snr_plugins.openmmlab.restitution import RestitutionModel


@MODELS.register_module()
class SNRImageClassifier(RestitutionModel, ImageClassifier):
    """ImageClassifier with the restitution loss: :class:`RestitutionModel` has the arguments.

    Raises:
        InputError: the backbone has no style layer, or training would mix the images' labels.
    """

    where_to_put_snr = (
        "the backbone has no SNR; set backbone to "
        "dict(type='SNRBackbone', backbone=dict(...), after=[...])"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.snr_losses and getattr(self.data_preprocessor, "batch_augments", None):
            raise InputError(
                f"{type(self).__name__}: train_cfg.augments mixes the labels of images, and the "
                "restitution loss needs one class of each: remove one of the two"
            )

    @property
    def restitution_classes(self) -> int:
        """The head's."""
        return self.head.num_classes

    def restitution_labels(self, samples: Sequence[DataSample]) -> Tensor:
        """(N,)."""
        return torch.cat([sample.gt_label for sample in samples])

    def restitution(
        self,
        labels: Tensor,
        name: str,
        loss: RestitutionLoss,
        seen: Observation,
    ) -> RestitutionTerms:
        """On pooled vectors, one class of each image."""
        return loss.pooled(seen, labels)
