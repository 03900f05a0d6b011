"""The restitution loss of a whole network: a probe for each SNR, their sum, what is logged."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.restitution import RestitutionLoss, RestitutionTerms
from snr_plugins.nn.snr import SNR, observed
from snr_plugins.nn.style import Observation

# A form of the loss: called with an SNR's name, its RestitutionLoss and its Observation, while the
# map is alive; picks `boxes`, `pixels` or `pooled` and hands in the labels.
Form = Callable[[str, RestitutionLoss, Observation], RestitutionTerms]


class StageLosses(nn.ModuleDict):
    """One :class:`RestitutionLoss` for each SNR of a network::

        with losses.observing(form) as terms:
            out = network(images)
        loss = loss_of(out) + sum(losses.weighted(terms).values())

    The forms of the loss differ by task; what is the same for boxes, pixels and pooled vectors is
    here. Empty where both weights are 0: then nothing is observed and nothing added.

    Args:
        layers: SNRs by name, as :func:`snr_plugins.nn.find_snr` gives them.
        num_classes: K of the probes; of one class alone the entropies are 0, which is warned of.
        loss_weight: of the restitution loss, summed over the SNRs; 0.01 as in the method's released
            classification code.
        probe_weight: of the probes' cross-entropy, summed over the SNRs.
        loss_terms: "both", or "plus" or "minus" for L+ or L- alone.

    Raises:
        InputError: there are no such terms.

    Example:
        >>> import torch
        >>> from snr_plugins.nn import find_snr, insert_snr
        >>> stage = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
        >>> net = insert_snr(nn.Sequential(stage), after=["0"])
        >>> losses = StageLosses(find_snr(net), num_classes=5)
        >>> labels = torch.tensor([2, 4])
        >>> def form(name, loss, seen):  # a class for each image; also: boxes, pixels
        ...     return loss.pooled(seen, labels)
        >>> with losses.observing(form) as terms:
        ...     out = net(torch.rand(2, 3, 8, 8))
        >>> added = losses.weighted(terms)
        >>> sorted(added)
        ['loss_snr_probe', 'loss_snr_restitution']
        >>> sum(added.values()).backward()
        >>> list(losses.diagnostics(terms))
        ['0/entropy_enhanced', '0/entropy_normalised', '0/entropy_contaminated']
    """

    def __init__(
        self,
        layers: Mapping[str, SNR],
        num_classes: int,
        loss_weight: float = 0.01,
        probe_weight: float = 0.01,
        loss_terms: str = "both",
    ) -> None:
        learns = loss_weight > 0 or probe_weight > 0
        if learns and num_classes == 1:
            warnings.warn(
                "one class alone: every entropy is 0 and the restitution loss teaches nothing; "
                "set both of its weights to 0 to save its time",
                stacklevel=2,
            )
        super().__init__(
            {
                _key(name): RestitutionLoss(snr.channels, num_classes, loss_terms)
                for name, snr in layers.items()
                if learns
            }
        )
        # a dict, so that the SNRs stay children of the backbone alone
        self._layers = dict(layers) if learns else {}
        self.loss_weight = loss_weight
        self.probe_weight = probe_weight
        self.loss_terms = loss_terms

    def extra_repr(self) -> str:
        return (
            f"loss_weight={self.loss_weight}, probe_weight={self.probe_weight}, "
            f"loss_terms={self.loss_terms}"
        )

    @contextlib.contextmanager
    def observing(self, form: Form) -> Iterator[dict[str, RestitutionTerms]]:
        """Within this block every SNR that runs adds its terms, under its key, to the dict.

        Raises:
            InputError: an SNR runs twice; or without autograd while the block has it, as inside
                activation checkpointing of the reentrant kind: the loss would teach nothing.
        """
        terms: dict[str, RestitutionTerms] = {}
        with_grad = torch.is_grad_enabled()

        def observe(name: str, seen: Observation) -> None:
            if with_grad and not torch.is_grad_enabled():
                raise InputError(
                    f"{name} runs inside activation checkpointing with use_reentrant=True, where "
                    "the restitution loss gets no gradient: checkpoint with use_reentrant=False, "
                    "leave this stage out of it, or set both weights of the loss to 0"
                )
            key = _key(name)
            if key in terms:
                raise InputError(
                    f"{name} runs twice in one step, and the labels belong to one of the runs: "
                    "observe that run alone"
                )
            terms[key] = form(name, self[key], seen)

        with observed(self._layers, observe):
            yield terms
        if self._layers and not terms:
            warnings.warn(
                "no SNR ran where the restitution loss looked, so it teaches nothing: the network "
                "is a copy of the one that it was made for, or was compiled before",
                stacklevel=3,
            )

    def weighted(self, terms: Mapping[str, RestitutionTerms]) -> dict[str, Tensor]:
        """``loss_snr_restitution`` and ``loss_snr_probe``, scalars; nothing for no terms."""
        if not terms:
            return {}
        restitution = sum((t.restitution for t in terms.values()), torch.zeros(()))
        probe = sum((t.probe for t in terms.values()), torch.zeros(()))
        return {
            "loss_snr_restitution": self.loss_weight * restitution,
            "loss_snr_probe": self.probe_weight * probe,
        }

    @staticmethod
    def diagnostics(terms: Mapping[str, RestitutionTerms]) -> dict[str, Tensor]:
        """What is worth logging beside the losses, such as ``layer1/entropy_enhanced``."""
        return {
            f"{key}/entropy_{feature}": getattr(t, f"entropy_{feature}")
            for key, t in terms.items()
            for feature in ("enhanced", "normalised", "contaminated")
        }


def _key(name: str) -> str:
    """A module name cannot hold dots: ``bottom_up.res2.snr`` becomes ``bottom_up_res2``."""
    return name.removesuffix(".snr").replace(".", "_")
