"""Start every SNR at the source's average style."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import statistics
from snr_plugins.nn.snr import SNR, find_snr


@torch.no_grad()
def calibrate(
    model: nn.Module, batches: Iterable[object], forward: Callable[[object], object]
) -> int:
    """Set each SNR's gamma to the source's mean deviation and its beta to the source's mean.

    Started at gamma = 1 and beta = 0, instance norm hands zero-mean features to a pretrained stage
    that has only ever seen what comes after a ReLU. Started here, F~ is the feature in an average
    style and the pretrained network is hardly disturbed. During the pass every SNR is the identity,
    so what is measured is the pretrained network's own features, whatever the gates are.

    Gamma and beta are ordinary parameters and travel in the checkpoint. With
    ``torch.distributed`` running, every process must call this; the means are over all of them.

    Args:
        model: any module with SNRs inside; run in evaluation mode, and left in its own.
        batches: a few source batches, each handed to ``forward``.
        forward: runs the part of the model that holds the SNRs on one batch.

    Returns:
        How many images the means are over.

    Raises:
        InputError: the model has no SNR, or no batch reached one of them.
    """
    modules = find_snr(model)
    if not modules:
        raise InputError("calibrate: the model has no SNR; insert one first")
    sums = {snr: torch.zeros(2, snr.norm.num_features) for snr in modules.values()}
    counts = {snr: torch.zeros(1) for snr in modules.values()}

    def measure(snr: SNR, inputs: tuple[Tensor], _: Tensor) -> Tensor:
        (features,) = inputs
        mean, var = statistics(features)
        sums[snr] += torch.stack([var.sqrt().sum(0), mean.sum(0)]).float().cpu()
        counts[snr] += len(features)
        return features  # in place of the SNR's own output: the identity

    hooks = [snr.register_forward_hook(measure) for snr in modules.values()]
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        for batch in batches:
            forward(batch)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training

    for name, snr in modules.items():
        total = torch.cat([sums[snr].flatten(), counts[snr]]).to(snr.norm.weight.device)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(total)
        images = total[-1]
        if images == 0:
            raise InputError(f"calibrate: no batch reached {name}; give at least one image")
        deviation, mean = (total[:-1] / images).view(2, -1)
        snr.norm.weight.copy_(deviation)
        snr.norm.bias.copy_(mean)
    return int(images)


def is_untrained(model: nn.Module) -> bool:
    """Whether every SNR of ``model`` has the gamma 1 and the beta 0 that it was made with.

    False once it was trained, calibrated or loaded from a checkpoint: then leave it alone.
    """
    return all(
        bool((snr.norm.weight == 1).all() and (snr.norm.bias == 0).all())
        for snr in find_snr(model).values()
    )
