"""The dual restitution loss, computed on coefficients.

For the entropy H of the class distribution that a linear classifier phi reads from a feature,

    L+ = softplus(H(F~+) - H(F~))      restitution must sharpen the prediction
    L- = softplus(H(F~)  - H(F~-))     contamination must blur it

(Jin et al., arXiv 2101.00588, eqs. 5-7). phi is linear, so it commutes with the affine maps of
:mod:`snr_plugins.nn.affine`: neither F~ nor F~- is ever computed. phi itself learns by
cross-entropy on the enhanced feature; unsupervised, its entropies would mean nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import Affine, at_least_float32, without_autocast
from snr_plugins.nn.style import Observation

TERMS = ("both", "plus", "minus")  # L+ + L-, or one of them alone, for ablations


class RestitutionTerms(NamedTuple):
    """The loss of one stage, all scalars; gradients flow through the first two.

    ``restitution`` is L+ + L-, or the one of them that was asked for; ``probe`` the cross-entropy
    of phi on the enhanced feature. The entropies (nats, detached means) are for logging: enhanced <
    normalised < contaminated is what training should bring about.
    """

    restitution: Tensor
    probe: Tensor
    entropy_enhanced: Tensor
    entropy_normalised: Tensor
    entropy_contaminated: Tensor


class RestitutionLoss(nn.Module):
    """Restitution loss of one stage, with its linear probe phi.

    Choose the form by the task: :meth:`pooled` for classification, :meth:`pixels` for
    segmentation, :meth:`boxes` for detection. With no label to learn from, the loss is zero and
    still attached to the graph, as distributed training wants.

    Args:
        channels: C of the stage.
        num_classes: K of phi.
        terms: "both" (the paper), or "plus" or "minus" for L+ or L- alone.

    Raises:
        InputError: there are no such terms.
    """

    def __init__(self, channels: int, num_classes: int, terms: str = "both") -> None:
        super().__init__()
        if terms not in TERMS:
            raise InputError(
                f"the restitution loss has no terms '{terms}'; choose from: {', '.join(TERMS)}"
            )
        self.terms = terms
        self.probe = nn.Linear(channels, num_classes)
        nn.init.normal_(self.probe.weight, std=0.01)
        nn.init.zeros_(self.probe.bias)

    def pooled(self, seen: Observation, labels: Tensor) -> RestitutionTerms:
        """Entropy of the spatially pooled vector. ``labels``: (N,) class ids."""
        # the pooled vector of each feature is the centre of its map
        logits = [self._project(affine.centre) for affine in _maps(seen)]
        return self._terms(logits, [_entropy(z) for z in logits], labels)

    def boxes(
        self, seen: Observation, pooled: Tensor, image_index: Tensor, labels: Tensor
    ) -> RestitutionTerms:
        """Entropy of each box's average-pooled vector; every box is one sample.

        Args:
            seen: what the SNR showed.
            pooled: (P, C), the *input* F of the SNR averaged over each box. Averaging commutes
                with the affine maps, so each box is pooled once for all three features.
            image_index: (P,) long, the row of the batch that a box lies in.
            labels: (P,) long class ids.
        """
        centred = pooled - seen.coefficients.mean[image_index]
        logits = [
            self._project(affine.scale[image_index] * centred + affine.centre[image_index])
            for affine in _maps(seen)
        ]
        return self._terms(logits, [_entropy(z) for z in logits], labels)

    def pixels(
        self, seen: Observation, labels: Tensor, ignore_index: int = 255
    ) -> RestitutionTerms:
        """Entropy at every pixel, averaged over the map before the softplus.

        ``labels``: (N, H, W) class ids at the feature's own size.
        """
        n, _, height, width = seen.features.shape
        scale = torch.stack([m.scale for m in _maps(seen)], 1)  # (N, 3, C)
        centre = torch.stack([m.centre for m in _maps(seen)], 1)  # (N, 3, C)
        shift = centre - scale * seen.coefficients.mean[:, None]
        phi, phi_bias = self._phi(scale.dtype)
        weight = scale[:, :, None] * phi  # (N, 3, K, C): W diag(A)
        classes = weight.shape[2]
        # Mixed precision would multiply in half what has not been centred. The float32 copy that
        # this takes of a half map is not kept for the backward but made again there.
        with without_autocast(seen.features.device):
            bias = F.linear(shift, phi, phi_bias)  # (N, 3, K): W B + b
            logits = checkpoint(
                _project_map,
                seen.features,
                weight.flatten(1, 2),
                bias.flatten(1),
                use_reentrant=False,
            ).reshape(n, 3, classes, height, width)
        per_feature = list(logits.unbind(1))
        entropies = [_entropy(z).mean(dim=(1, 2)) for z in per_feature]
        return self._terms(per_feature, entropies, labels, ignore_index)

    def _project(self, vectors: Tensor) -> Tensor:
        """phi of (..., C), in their own type, which is float32 at least."""
        with without_autocast(vectors.device):
            return F.linear(vectors, *self._phi(vectors.dtype))

    def _phi(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight and bias of phi in ``dtype``. Where both of its uses need it, cast once: their
        gradients may cancel, and one alone may leave float16."""
        return self.probe.weight.to(dtype), self.probe.bias.to(dtype)

    def _terms(
        self,
        logits: list[Tensor],
        entropies: list[Tensor],
        labels: Tensor,
        ignore_index: int = -100,
    ) -> RestitutionTerms:
        """``logits`` and ``entropies`` in the order of :func:`_maps`."""
        normalised, enhanced, contaminated = entropies
        plus, minus = F.softplus(enhanced - normalised), F.softplus(normalised - contaminated)
        ranking = {"both": plus + minus, "plus": plus, "minus": minus}[self.terms]
        supervised = F.cross_entropy(
            at_least_float32(logits[1]), labels, ignore_index=ignore_index, reduction="sum"
        )
        return RestitutionTerms(
            restitution=ranking.sum() / max(ranking.numel(), 1),
            probe=supervised / (labels != ignore_index).sum().clamp(min=1),
            entropy_enhanced=_mean(enhanced),
            entropy_normalised=_mean(normalised),
            entropy_contaminated=_mean(contaminated),
        )


def _project_map(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(N, C, H, W) through a linear layer of its own for each image, (N, J, C): (N, J, HW)."""
    return torch.baddbmm(bias[:, :, None], weight, features.to(weight.dtype).flatten(2))


def _maps(seen: Observation) -> tuple[Affine, Affine, Affine]:
    return seen.coefficients[1:]


def _entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of softmax over dim 1."""
    log_p = F.log_softmax(at_least_float32(logits), dim=1)
    return -(log_p.exp() * log_p).sum(dim=1)


def _mean(values: Tensor) -> Tensor:
    values = values.detach()
    return values.sum() / max(values.numel(), 1)
