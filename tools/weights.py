"""Whether a checkpoint is of this network: both frameworks' loaders only log what they do not find.

What is missing stays as it was drawn at random, and pictures, scores and exported files of it look
like any other.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from snr_plugins.errors import InputError

TRAINED_BY = "snr_losses."  # the probes, which no inference needs


def check_weights(model: nn.Module, checkpoint: str | Path) -> None:
    """Compare the parameters' names and shapes with those in the file.

    Args:
        model: as its config has built it.
        checkpoint: a .pth file of Detectron2 or MMEngine; others are not looked into.

    Raises:
        InputError: a parameter is missing or has another shape.
    """
    if Path(checkpoint).suffix != ".pth" or not Path(checkpoint).is_file():
        return
    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    weights = content.get("model", content.get("state_dict", content))
    found = {name.removeprefix("module."): weight for name, weight in weights.items()}
    for name, parameter in model.named_parameters():
        if name.startswith(TRAINED_BY):
            continue
        if name not in found:
            raise InputError(
                f"{checkpoint} has no {name}, which the network of its config has: name the config "
                "that it was trained with"
            )
        if found[name].shape != parameter.shape:
            raise InputError(
                f"{checkpoint} has {name} of shape {tuple(found[name].shape)}, the network of its "
                f"config {tuple(parameter.shape)}: name the config that it was trained with"
            )
