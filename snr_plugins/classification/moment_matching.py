"""M3SDA in MMPretrain: several labelled sources, one unlabelled target.

Peng et al., Moment Matching for Multi-Source Domain Adaptation, ICCV 2019, arXiv 1812.01754.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor

from snr_plugins.classification.classifier import SNRImageClassifier
from snr_plugins.classification.datasets import UNLABELLED
from snr_plugins.errors import InputError
from snr_plugins.nn.discrepancy import discrepancy
from snr_plugins.nn.moment_distance import moment_distance
from snr_plugins.openmmlab.steps import DiscrepancySteps, frozen


class MomentMatching(DiscrepancySteps, ImageClassifier):
    """Mixin: a second ``head``, the updates of `DiscrepancySteps`, in A the moment distance too.

    A batch holds every source and the target, as ``DomainTurnsSampler`` makes it of a
    ``LeaveOneOutDataset(adapt=True)``; an ``UNLABELLED`` image is one of the target. There is one
    pair of heads for all sources, as in the authors' code. The first head is tested.

    Args:
        moment_weight: of the moment distance in A; the authors' code has 0.0005.
        generator_steps: how often C comes; the authors' 4.
        kwargs: the classifier's own.

    Raises:
        InputError: in training, a batch lacks sources or the target; and as `DiscrepancySteps`.
    """

    def __init__(
        self,
        *args: Any,
        head: dict,
        moment_weight: float = 0.0005,
        generator_steps: int = 4,
        **kwargs: Any,
    ) -> None:
        second = copy.deepcopy(head)
        super().__init__(*args, head=head, **kwargs)
        self.head_2 = MODELS.build(second)
        self.moment_weight = moment_weight
        self.generator_steps = generator_steps

    def everything_losses(self, inputs: Tensor, samples: list[DataSample]) -> dict[str, Tensor]:
        """A: the classifier's losses on the sources, the second head's, and the moment distance."""
        sources, target = _apart(samples)
        labelled = [row for rows in sources for row in rows]
        classes = [samples[row] for row in labelled]
        kept: list[Tensor] = []
        with self._keeping_features(kept):
            losses = super().loss(inputs[labelled], classes)
        (of_sources,) = kept
        ends = torch.tensor([len(rows) for rows in sources]).cumsum(0)[:-1]
        of_target = self.extract_feat(inputs[target])[-1]
        distance = moment_distance(of_sources.tensor_split(ends), of_target)
        return {
            **losses,
            "loss_2": self.head_2.loss((of_sources,), classes)["loss"],
            "loss_moments": self.moment_weight * distance,
        }

    def heads_losses(self, inputs: Tensor, samples: list[DataSample]) -> dict[str, Tensor]:
        """B: both heads' losses on the sources, less their discrepancy on the target."""
        sources, target = _apart(samples)
        labelled = [row for rows in sources for row in rows]
        with torch.no_grad():
            features = self.extract_feat(inputs)[-1]
        classes = [samples[row] for row in labelled]
        losses = {
            f"loss_{number}": head.loss((features[labelled],), classes)["loss"]
            for number, head in enumerate((self.head, self.head_2), start=1)
        }
        return {**losses, "loss_discrepancy": -self._discrepancy(features[target])}

    def generator_losses(self, inputs: Tensor, samples: list[DataSample]) -> dict[str, Tensor]:
        """C: the discrepancy on the target, of which the heads learn nothing."""
        _, target = _apart(samples)
        with frozen(self.head, self.head_2):
            apart = self._discrepancy(self.extract_feat(inputs[target])[-1])
        return {"loss_discrepancy": apart}

    def _discrepancy(self, features: Tensor) -> Tensor:
        first, second = (head((features,)).softmax(dim=1) for head in (self.head, self.head_2))
        return discrepancy(first, second)

    @contextlib.contextmanager
    def _keeping_features(self, kept: list[Tensor]) -> Iterator[None]:
        """What the first head is given within this block, in its order."""
        hook = self.head.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0][-1]))
        try:
            yield
        finally:
            hook.remove()


def _apart(samples: list[DataSample]) -> tuple[list[list[int]], list[int]]:
    """Rows of each source, and of the target, whose images are ``UNLABELLED``."""
    sources: dict[str, list[int]] = {}
    target = []
    for row, sample in enumerate(samples):
        if sample.gt_label.item() == UNLABELLED:
            target.append(row)
        elif "domain" not in sample:
            raise InputError(
                f"The image {sample.get('img_path', 'without img_path')} names no domain: add "
                "'domain' to meta_keys of PackInputs in the training pipeline."
            )
        else:
            sources.setdefault(sample.get("domain"), []).append(row)
    if not (sources and target):
        raise InputError(
            "A batch holds no labelled source or no unlabelled target: train on a "
            "LeaveOneOutDataset with adapt=True, by DomainTurnsSampler."
        )
    return list(sources.values()), target


@MODELS.register_module()
class M3SDAImageClassifier(MomentMatching, ImageClassifier):
    """ImageClassifier with M3SDA."""


@MODELS.register_module()
class SNRM3SDAImageClassifier(MomentMatching, SNRImageClassifier):
    """ImageClassifier with M3SDA, and the restitution loss on the sources in update A."""
