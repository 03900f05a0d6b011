"""Whether a checkpoint is of this network: both frameworks' loaders only log what they do not find.

What is missing stays as it was drawn at random, and pictures, scores and exported files of it look
like any other.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from snr_plugins.errors import InputError

# Where a checkpoint keeps its weights: Detectron2, MMEngine, the released model, and Detectron
ENTRIES = ("model", "state_dict", "state", "blobs")
PROBES = "snr_losses."  # which no inference needs


def weights_in(content: object, checkpoint: str | Path) -> dict:
    """What a checkpoint has under one of ENTRIES; all of it where there is none.

    Raises:
        InputError: that is nothing with names.
    """
    for entry in ENTRIES:
        if isinstance(content, dict) and isinstance(content.get(entry), dict):
            content = content[entry]
            break
    if not isinstance(content, dict) or not content:
        raise InputError(f"{checkpoint} holds no weights by name; name a checkpoint that does")
    return content


def read_checkpoint(path: str | Path) -> object:
    """What Detectron2's trainer saved; no code in it is run.

    Raises:
        InputError: it is damaged, or holds more than plain values and tensors.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the unpickler meets
        raise InputError(
            f"{path} is damaged, or holds more than weights ({type(error).__name__}); name a "
            "checkpoint that Detectron2 saved"
        ) from None


def check_file(model: nn.Module, checkpoint: str) -> None:
    """`check_weights` of what Detectron2 is about to load: a .pth file; others are not looked into.

    Raises:
        InputError: as `read_checkpoint` and `check_weights`.
    """
    if checkpoint.endswith(".pth") and Path(checkpoint).is_file():
        check_weights(model, checkpoint, read_checkpoint(checkpoint))


def check_weights(model: nn.Module, checkpoint: str | Path, content: object) -> None:
    """Compare the parameters' names and shapes with those in the file.

    Args:
        model: as its config has built it.
        checkpoint: its name.
        content: what is in it.

    Raises:
        InputError: a parameter is missing or has another shape.
    """
    weights = weights_in(content, checkpoint)
    found = {name.removeprefix("module."): weight for name, weight in weights.items()}
    for name, parameter in model.named_parameters():
        if name.startswith(PROBES):
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
