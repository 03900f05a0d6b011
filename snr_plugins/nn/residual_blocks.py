"""Where a layer goes inside the residual blocks of a stage.

Of Detectron2's, MMSegmentation's and torchvision's ResNets, by the names of a block's children:
convolutions ``conv1``, ``conv2`` and maybe ``conv3``, each with its norm as a child ``norm``
(Detectron2) or beside it as ``bn1`` ..., and ``shortcut`` or ``downsample``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.layers import create_layer
from snr_plugins.nn.style import StyleLayer, apply_child, find_layers

CONVOLUTIONS = ("conv1", "conv2", "conv3")
SHORTCUTS = ("shortcut", "downsample")
NORM_NAMES = ("norm1_name", "norm2_name", "norm3_name")
# Package and class of the blocks that compute relu(convolutions and norms of x + shortcut(x)).
PLAIN_BLOCKS = {
    ("detectron2", "BasicBlock"),
    ("detectron2", "BottleneckBlock"),
    ("mmseg", "BasicBlock"),
    ("mmseg", "Bottleneck"),
    ("snr_plugins", "DilatedBasicBlock"),  # of DRN
    ("torchvision", "BasicBlock"),
    ("torchvision", "Bottleneck"),
}


class NormedSum(nn.Module):
    """A residual block with a layer on its sum: ``relu(layer(branch(x) + shortcut(x)))``.

    Takes over the children of a block of :data:`PLAIN_BLOCKS` by their names, so its keys stay: the
    frameworks' own blocks have no place between the sum and the ReLU. Trained, traced and exported
    as they are; not scripted.

    Args:
        block: the block.
        layer: for as many channels as the block puts out.
    """

    def __init__(self, block: nn.Module, layer: StyleLayer) -> None:
        super().__init__()
        for name, child in block.named_children():
            self.add_module(name, child)
        for name in NORM_NAMES:  # of mmseg's blocks
            if hasattr(block, name):
                setattr(self, name, getattr(block, name))
        self.add_module(layer.child_name, layer)
        self._layer_name = layer.child_name

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for index, (convolution, norm) in enumerate(_convolutions(self)):
            if index > 0:
                out = torch.relu_(out)
            out = convolution(out)
            if norm is not None and norm is not getattr(convolution, "norm", None):
                out = norm(out)
        shortcut = next((getattr(self, s) for s in SHORTCUTS if hasattr(self, s)), None)
        total = out + (x if shortcut is None else shortcut(x))
        return torch.relu_(getattr(self, self._layer_name)(total))


def insert_in_blocks(stages: Mapping[str, nn.Module], kind: str, options: dict[str, Any]) -> None:
    """Put the layer called ``kind`` into the blocks of ``stages``, in place.

    Raises:
        InputError: a stage has one already, or no block that can take it. Nothing has been changed
            then.
    """
    for name, stage in stages.items():
        for layer in find_layers(stage).values():
            if layer.in_blocks:
                raise InputError(
                    f"insert_layer: stage '{name}' already has {type(layer).__name__} in its "
                    "blocks; take it out of `after`"
                )
    if kind == "ibn_a":
        norms = [found for name, stage in stages.items() for found in _first_norms(name, stage)]
        layers = [_layer(kind, convolution, options) for _, convolution, _ in norms]
        for (block, _, norm), layer in zip(norms, layers, strict=True):
            norm.add_module(layer.child_name, layer.train(norm.training))
            path = next(name for name, module in block.named_modules() if module is norm)
            block.register_forward_pre_hook(partial(_hook_norm, path, layer.child_name))
    else:
        blocks = [(stage, *_last_block(name, stage)) for name, stage in stages.items()]
        layers = [_layer(kind, _convolutions(block)[-1][0], options) for _, _, block in blocks]
        for (stage, key, block), layer in zip(blocks, layers, strict=True):
            setattr(stage, key, NormedSum(block, layer).train(block.training))


def _hook_norm(path: str, child: str, block: nn.Module, inputs: tuple) -> None:
    """Let the norm at ``path`` run its layer, if it does not yet.

    Not once and for all: what turns SyncBN into BN or back, as MMEngine's ``revert_sync_batchnorm``
    in a run of one process, makes norms anew, with the children of the old ones but no hooks.
    """
    norm = block.get_submodule(path)
    if not any(getattr(h, "func", None) is apply_child for h in norm._forward_hooks.values()):
        norm.register_forward_hook(partial(apply_child, child))


def _layer(kind: str, convolution: nn.Module, options: dict[str, Any]) -> StyleLayer:
    layer = create_layer(kind, convolution.out_channels, **options)
    return layer.to(next(convolution.parameters()))


def _convolutions(block: nn.Module) -> list[tuple[nn.Module, nn.Module | None]]:
    """Each convolution of a block and its norm, in the forward's order."""
    found = []
    for number, name in enumerate(CONVOLUTIONS):
        if not hasattr(block, name):
            continue
        convolution = getattr(block, name)
        # mmseg: the norm's own name, such as gn1, is an attribute of the block
        beside = getattr(block, NORM_NAMES[number], f"bn{number + 1}")
        norm = getattr(convolution, "norm", None)
        found.append((convolution, getattr(block, beside, None) if norm is None else norm))
    return found


def _blocks(name: str, stage: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    found = False
    for key, block in stage.named_children():
        if hasattr(block, "conv1") and hasattr(block, "conv2"):
            found = True
            yield key, block
    if not found:
        raise InputError(
            f"insert_layer: stage '{name}' has no residual blocks with conv1 and conv2 for IBN-Net "
            "to change; name stages of a ResNet, or take layer 'instance_norm'"
        )


def _first_norms(name: str, stage: nn.Module) -> Iterator[tuple[nn.Module, nn.Module, nn.Module]]:
    """Each block, its first convolution and the norm behind that."""
    for key, block in _blocks(name, stage):
        convolution, norm = _convolutions(block)[0]
        if norm is None:
            raise InputError(
                f"insert_layer: block {key} of stage '{name}' ({type(block).__name__}) has no norm "
                "after conv1 to make half of instance norm; take layer 'instance_norm'"
            )
        yield block, convolution, norm


def _last_block(name: str, stage: nn.Module) -> tuple[str, nn.Module]:
    key, block = list(_blocks(name, stage))[-1]
    kind = type(block)
    more = getattr(block, "with_plugins", False) or getattr(block, "with_cp", False)
    if (kind.__module__.partition(".")[0], kind.__name__) not in PLAIN_BLOCKS or more:
        known = ", ".join(f"{package}'s {block}" for package, block in sorted(PLAIN_BLOCKS))
        raise InputError(
            f"insert_layer: the last block of stage '{name}' ({kind.__name__} of "
            f"{kind.__module__}) has a forward that 'ibn_b' does not know; it takes {known}, "
            "without plugins and with_cp; or take layer 'instance_norm'"
        )
    return key, block
