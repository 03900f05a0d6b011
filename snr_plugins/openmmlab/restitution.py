"""The restitution loss in a model of OpenMMLab: what its segmentors and classifiers share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor

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

    class Model(BaseModel):
        """What the mixin asks for."""

        def loss(self, inputs: Tensor, data_samples: Any) -> dict[str, Tensor]: ...
        def predict(self, inputs: Tensor, data_samples: Any = None, **kwargs: Any) -> Any: ...

else:
    Model = object


class RestitutionModel(Model):
    """Mixin over a model: adds ``loss_snr_restitution`` and ``loss_snr_probe`` in training.

    Both are summed over all SNRs of the model, already weighted, and sit in the dict that
    MMEngine's ``parse_losses`` sums. Inference is the model's own; the samples that ``predict``
    hands out have one more field among their meta information, ``style_distance``: the SNRs' names
    with d / t of :func:`snr_plugins.nn.style_distances`, averaged over the passes of a sliding
    inference. Far above 1 the image looks like nothing that the network has learned.

    A task says its ``restitution_classes``, :meth:`restitution_labels`, and what the loss compares,
    in :meth:`restitution`.

    Args:
        snr_loss_weight: weight of the restitution loss; with both weights 0 it is not computed.
        snr_probe_weight: weight of the probes' cross-entropy.
        snr_loss_terms: "both" halves of the restitution loss, or "plus" or "minus" alone.
        kwargs: the model's own.

    Raises:
        InputError: the model has no style layer.
    """

    where_to_put_snr: str  # ends the sentence for a model that has none

    def __init__(
        self,
        *args: Any,
        snr_loss_weight: float = 0.01,
        snr_probe_weight: float = 0.01,
        snr_loss_terms: str = "both",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not find_layers(self):
            raise InputError(f"{type(self).__name__}: {self.where_to_put_snr}")
        self.snr_losses = StageLosses(
            find_snr(self),
            self.restitution_classes,
            snr_loss_weight,
            snr_probe_weight,
            snr_loss_terms,
        )

    @property
    def restitution_classes(self) -> int:
        """K of the probes."""
        raise NotImplementedError

    def restitution_labels(self, samples: Sequence[BaseDataElement]) -> Tensor:
        """Class ids of N samples, as :meth:`restitution` of every SNR takes them."""
        raise NotImplementedError

    def restitution(
        self,
        labels: Tensor,
        name: str,
        loss: RestitutionLoss,
        seen: Observation,
    ) -> RestitutionTerms:
        """The loss of one SNR: a `snr_plugins.nn.stage_losses.Form` once labels are given.

        Args:
            labels: of :meth:`restitution_labels`.
            name, loss, seen: of the SNR.
        """
        raise NotImplementedError

    def loss(self, inputs: Tensor, data_samples: Any) -> dict[str, Tensor]:
        """As the model's own; two more losses.

        Args:
            inputs: (N, C, H, W).
            data_samples: N, with their ground truth.
        """
        with remade_outputs(self):
            if not self.snr_losses:
                return super().loss(inputs, data_samples)
            form = partial(self.restitution, self.restitution_labels(data_samples))
            with self.snr_losses.observing(form) as terms:
                losses = super().loss(inputs, data_samples)
        # The message hub's latest values are shown by MMEngine's logger: whatever is in the loss
        # dict and called a loss would be summed.
        hub = MessageHub.get_current_instance()
        for name, value in self.snr_losses.diagnostics(terms).items():
            hub.update_scalar(f"train/snr/{name}", value)
        return {**losses, **self.snr_losses.weighted(terms)}

    def predict(self, inputs: Tensor, data_samples: Any = None, **kwargs: Any) -> Any:
        """As the model's own; each sample gains ``style_distance``."""
        with style_distances(self) as distances:
            samples = super().predict(inputs, data_samples, **kwargs)
        means = {name: torch.stack(passes).mean(0).tolist() for name, passes in distances.items()}
        for index, sample in enumerate(samples):
            sample.set_metainfo({"style_distance": {n: d[index] for n, d in means.items()}})
        return samples
