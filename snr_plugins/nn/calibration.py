"""Start every SNR at the source's average style."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.affine import statistics
from snr_plugins.nn.style import InstanceNorm, find_layers


@torch.no_grad()
def calibrate(
    model: nn.Module,
    batches: Iterable[object],
    forward: Callable[[object], object],
    only: Collection[str] | None = None,
) -> int:
    """Set each layer's gamma to the source's mean deviation and its beta to the source's mean.

    Of every SNR and instance norm that :func:`snr_plugins.nn.insert_layer` makes.

    Started at gamma = 1 and beta = 0, instance norm hands zero-mean features to a pretrained stage
    that has only ever seen what comes after a ReLU. Started here, F~ is the feature in an average
    style and the pretrained network is hardly disturbed. During the pass these layers are the
    identity, so what is measured is the pretrained network's own features, whatever the gates are.

    Gamma and beta are ordinary parameters and travel in the checkpoint. With
    ``torch.distributed`` running, every process must call this; the means are over all of them.

    Args:
        model: any module with such layers inside; run in evaluation mode, and left in its own.
        batches: a few source batches, each handed to ``forward``.
        forward: runs the part of the model that holds the layers on one batch.
        only: names of the layers to set, such as :func:`untrained` gives; by default all.

    Returns:
        How many images the means are over.

    Raises:
        InputError: the model has no such layer, or no batch reached one of them.

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> stage = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU())
        >>> net = insert_snr(nn.Sequential(stage), after=["0"])
        >>> images = [torch.rand(2, 3, 8, 8) for _ in range(4)]  # of the source domain
        >>> calibrate(net, images, net)
        8
        >>> bool((net[0].snr.norm.bias >= 0).all())  # a mean of what comes after a ReLU
        True
        >>> untrained(net)
        []
    """
    modules = {name: m for name, m in _norms(model).items() if only is None or name in only}
    if not modules:
        raise InputError(
            "calibrate: the model has no SNR or instance norm; insert one first, leave out "
            "CalibrateSNRHook, or set MODEL.SNR.CALIBRATE to False"
        )
    sums = {snr: torch.zeros(2, snr.channels) for snr in modules.values()}
    counts = {snr: torch.zeros(1) for snr in modules.values()}

    def measure(snr: InstanceNorm, inputs: tuple[Tensor], _: Tensor) -> Tensor:
        (features,) = inputs
        mean, var = statistics(snr.as_map(features))
        sums[snr] += torch.stack([var.sqrt().sum(0), mean.sum(0)]).float().cpu()
        counts[snr] += len(features)
        return features  # in place of the SNR's own output: the identity

    hooks = [snr.register_forward_hook(measure) for snr in modules.values()]
    was_training = {module: module.training for module in model.modules()}
    was_inplace = {snr: snr.inplace for snr in modules.values()}
    for snr in modules.values():
        snr.inplace = False  # the hook needs the input whole
    model.eval()
    try:
        for batch in batches:
            forward(batch)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
        for snr, inplace in was_inplace.items():
            snr.inplace = inplace
        # Autocast remembers the weights that it has made half here, without a graph: the training
        # step that follows in the same block would take them and get no gradient.
        torch.clear_autocast_cache()

    totals = {}
    for name, snr in modules.items():
        total = torch.cat([sums[snr].flatten(), counts[snr]]).to(snr.norm.weight.device)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(total)
        if total[-1] == 0:
            raise InputError(f"calibrate: no batch reached {name}; give at least one image")
        if not total.isfinite().all():
            raise InputError(f"calibrate: the images give {name} NaN or infinity: look at them")
        totals[snr] = total
    for snr, total in totals.items():
        deviation, mean = (total[:-1] / total[-1]).view(2, -1)
        normalised = snr.norm.num_features  # the first ones, all but in IBN-a
        snr.norm.weight.copy_(deviation[:normalised])
        snr.norm.bias.copy_(mean[:normalised])
    return int(total[-1])


def calibrate_untrained(
    model: nn.Module, batches: Iterable[Any], forward: Callable[[Any], object]
) -> str:
    """:func:`calibrate` of the layers that are :func:`untrained`; a sentence for the log.

    ``batches`` is not touched where there are none, as after a checkpoint with SNR, or with layers
    that have no gamma and beta.

    Raises:
        InputError: the model has no such layer at all, or no batch reached one of them.
    """
    names = untrained(model)
    if not names and _norms(model):
        return "SNR: gamma and beta stay as the checkpoint has them"
    if not names and (layers := find_layers(model)):
        kinds = ", ".join(sorted({type(layer).__name__ for layer in layers.values()}))
        return f"{kinds} has no gamma and beta: no calibrated start is needed"
    images = calibrate(model, batches, forward, only=names)
    return (
        f"SNR: gamma and beta of {len(names)} modules start at the average style of {images} images"
    )


def untrained(model: nn.Module) -> list[str]:
    """Names of the SNRs and instance norms with gamma 1 and beta 0, as they were made.

    The others were trained, calibrated or loaded from a checkpoint: leave them alone.
    """
    return [
        name
        for name, snr in _norms(model).items()
        if (snr.norm.weight == 1).all() and (snr.norm.bias == 0).all()
    ]


def _norms(model: nn.Module) -> dict[str, InstanceNorm]:
    return {name: m for name, m in model.named_modules() if isinstance(m, InstanceNorm)}
