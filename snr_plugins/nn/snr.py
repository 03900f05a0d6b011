"""The SNR module: instance norm takes the style out, a gate puts the useful residual back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import Affine, Coefficients, restored
from snr_plugins.nn.gate import build_gate
from snr_plugins.nn.saved import load, save
from snr_plugins.nn.style import InstanceNorm, Observation
from snr_plugins.nn.trust import Trust


class SNR(InstanceNorm):
    """Style Normalization and Restitution (Jin et al., arXiv 2101.00588, section III).

    Maps (N, C, H, W) to the enhanced feature F~+ of the same shape and dtype. In training without
    ``rehearse``, and without ``trust`` in evaluation too, it equals the paper's textbook form
    (:mod:`snr_plugins.nn.textbook`) exactly, by two identities: F~+ is an affine map of F
    (:mod:`snr_plugins.nn.affine`), and the gate's input pool(R) is ``mean - beta``, since instance
    norm's spatial mean is its own beta. Cost and limits: :class:`StyleLayer`.

    Args:
        channels: C.
        reduction: the gate's hidden width is ``channels // reduction``, and at least 1; the
            paper's is 16.
        gate_bias: initial bias of the gate's last layer. 0 (the paper) starts the gate at about
            one half; a large positive value opens it, and an open gate (a = 1) is the identity,
            so a pretrained network starts near its own function.
        eps: added to the variance.
        gate: "residual" (the paper's), "bounded", "static" or "closed" (instance norm alone); see
            :mod:`snr_plugins.nn.gate`.
        trust: in evaluation, close the gate for images whose style the network has not learned;
            see :mod:`snr_plugins.nn.trust`. False is the paper.
        rehearse: in training, close the gates of every second image of the batch, so that what
            follows practises on what trust will hand it. The restitution loss still compares the
            paper's three features of all images. A batch of one is never closed.
        inplace: see :class:`StyleLayer`.

    Raises:
        InputError: ``reduction`` is not positive, ``gate`` is unknown, or there is ``rehearse``
            without ``trust``.
    """

    child_name = "snr"

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        gate_bias: float = 0.0,
        eps: float = 1e-5,
        gate: str = "residual",
        trust: bool = True,
        rehearse: bool = False,
        inplace: bool = False,
    ) -> None:
        super().__init__(channels, eps, inplace)
        if rehearse and not trust:
            raise InputError(
                "SNR: rehearse practises what trust does at inference: leave trust on too"
            )
        self.gate = build_gate(gate, channels, reduction, gate_bias)
        self.trust = Trust(channels, rehearse) if trust else None

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        return restored(self.normalised(var), mean, self.opened(mean, var))

    def observed_coefficients(self, features: Tensor, mean: Tensor, var: Tensor) -> Affine:
        norm, gate = self.normalised(var), self.learned_gate(mean)
        # Activation checkpointing counts what is saved here and runs the layer again, unobserved:
        # what the loss saves is none of its business, so it is saved as it is.
        with torch.autograd.graph.saved_tensors_hooks(save, load):
            enhanced, contaminated = restored(norm, mean, gate), restored(norm, mean, 1 - gate)
            if self.observer is not None:
                self.observer(
                    Observation(features, Coefficients(mean, norm, enhanced, contaminated))
                )
        return restored(norm, mean, self.trusted(gate, mean, var))

    def opened(self, mean: Tensor, var: Tensor) -> Tensor:
        """The gate a times the trust, (N, C), for spatial mean and biased variance, (N, C) each."""
        return self.trusted(self.learned_gate(mean), mean, var)

    def learned_gate(self, mean: Tensor) -> Tensor:
        """The gate a alone, (N, C)."""
        return self.gate(mean, self.norm.weight, self.norm.bias)

    def trusted(self, gate: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return gate if self.trust is None else gate * self.trust(mean, var)


def find_snr(model: nn.Module) -> dict[str, SNR]:
    """Every SNR inside ``model`` by its dotted name, in registration order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, SNR)}


@contextlib.contextmanager
def observed(
    modules: Mapping[str, SNR], observe: Callable[[str, Observation], None]
) -> Iterator[None]:
    """Within this block each of ``modules`` calls ``observe(name, seen)`` in its forward.

    A loss built there, and not after the network, has its backward run next to the SNR's own:
    autograd takes the latest operations first. Built later, its gradient for every stage's map
    would be made first of all and stay alive until the backward came to that stage.
    """
    before = {name: snr.observer for name, snr in modules.items()}
    for name, snr in modules.items():
        snr.observer = partial(observe, name)
    try:
        yield
    finally:  # whatever happens, no graph stays behind on the modules
        for name, snr in modules.items():
            snr.observer = before[name]
