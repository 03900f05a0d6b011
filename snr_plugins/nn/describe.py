"""What a network has inside of this package, in words: for a score's stamp."""

from __future__ import annotations

from torch import nn

from snr_plugins.nn.stage_losses import StageLosses
from snr_plugins.nn.style import StyleLayer


def describe_network(model: nn.Module) -> dict[str, str]:
    """The style layers and the restitution loss inside ``model``, by their dotted names.

    What is printed is what was built, so it shows defaults too, which no config names.

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"])
        >>> describe_network(net)["0.snr"].split(" (norm)")[0]
        'SNR( channels=16, eps=1e-05'
    """
    return {
        name.removeprefix("module."): _one_line(module)  # of a wrapper, as of DDP
        for name, module in model.named_modules()
        if isinstance(module, (StyleLayer, StageLosses))
    }


def _one_line(module: nn.Module) -> str:
    if isinstance(module, StageLosses):  # its probes follow from the layers
        return f"{type(module).__name__}({module.extra_repr()})"
    return " ".join(repr(module).split())
