"""What a stage puts out, read from small runs of its network: a map, tokens, or several of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError

# Images of the dry run. The first is oblong, as a map is then told by its form too; the others are
# for networks of one size.
SIZES = ((64, 160), (224, 224), (256, 256))
MOST_PREFIX = 16  # tokens of a class and registers that a network has at most


class Shape(NamedTuple):
    """What is known of a stage's output.

    ``stride`` is in pixels of the image per pixel of the map, None if unknown; ``channels_last``
    means (N, H, W, C) in place of (N, C, H, W), or with ``tokens`` (N, L, C), of which the first
    ``prefix`` are no pixels; ``element`` says which of a list or tuple this is.
    """

    channels: int
    stride: float | None = None
    channels_last: bool = False
    prefix: int = 0
    element: int | None = None
    tokens: bool = False


def example_for(backbone: nn.Module) -> Tensor:
    """An image (1, 3, H, W) of zeros that the backbone takes, of the first of :data:`SIZES`.

    Raises:
        InputError: it takes none of them.
    """
    for height, width in SIZES:
        example = torch.zeros(1, 3, height, width)
        try:
            dry_run(backbone, {}, example)
        except Exception as error:  # whatever a network says to a size that it does not take
            reason = error
        else:
            return example
    sizes = ", ".join(f"{height}x{width}" for height, width in SIZES)
    raise InputError(
        f"insert_layer: {type(backbone).__name__} takes no RGB image of {sizes}; give an `example` "
        f"batch that it takes ({type(reason).__name__}: {str(reason).partition(chr(10))[0]})"
    ) from reason


def output_shapes(
    backbone: nn.Module, modules: Mapping[str, nn.Module], example: Tensor
) -> dict[str, list[Shape]]:
    """The maps that each of ``modules`` puts out, by running ``backbone`` on ``example``.

    And on one twice as high, which tells height from channels, and pixels from the tokens before
    them; a network that takes one size alone is told by the form of its maps. In evaluation and
    without gradients; nothing is left changed.

    Raises:
        InputError: a module is not run, puts out no map, or nothing tells its height from its
            channels.
    """
    outputs = dry_run(backbone, modules, example)
    try:
        taller = dry_run(backbone, modules, example.repeat(1, 1, 2, 1))
    except Exception:  # whatever a network says to a size that it does not take
        taller = {}
    return {
        name: _shapes(name, outputs.get(name), taller.get(name), example.shape[2:])
        for name in modules
    }


def dry_run(
    backbone: nn.Module, modules: Mapping[str, nn.Module], example: Tensor
) -> dict[str, object]:
    """What those of ``modules`` that are run put out; nothing is left changed."""
    outputs: dict[str, object] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out}))
        for name, module in modules.items()
    ]
    reference = next(backbone.parameters(), torch.empty(0))
    was_training = {module: module.training for module in backbone.modules()}
    learned = {parameter: parameter.requires_grad for parameter in backbone.parameters()}
    backbone.eval()  # where mmseg's backbones freeze stages, with all that lies in them
    try:
        with torch.no_grad():
            backbone(example.to(reference))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
        for parameter, learns in learned.items():
            parameter.requires_grad_(learns)
    return outputs


def _shapes(name: str, output: object, taller: object, size: torch.Size) -> list[Shape]:
    """Of one stage; a list or tuple has a map in each element that grows with the image."""
    several = isinstance(output, (list, tuple))
    elements = list(output) if isinstance(output, (list, tuple)) else [output]
    grown = list(taller) if isinstance(taller, (list, tuple)) else [taller] * len(elements)
    shapes = []
    for index, (element, other) in enumerate(zip(elements, grown, strict=False)):
        if not isinstance(element, Tensor) or element.dim() not in (3, 4):
            continue
        found = _shape(element.shape, other.shape if isinstance(other, Tensor) else None, size)
        if found is not None:
            shapes.append(found._replace(element=index) if several else found)
        elif not several:
            raise InputError(
                f"insert_layer: stage '{name}' puts out {tuple(element.shape)} for an image of "
                f"{size[0]}x{size[1]}, which does not tell channels from height; give an `example` "
                "of another size, or `shapes`"
            )
    if not shapes:
        what = "is not run" if output is None else "does not put out one feature map"
        raise InputError(
            f"insert_layer: stage '{name}' {what} (N, C, H, W) in the backbone's forward; "
            "choose a stage whose output is a feature map, or tokens (N, L, C)"
        )
    return shapes


def _shape(shape: torch.Size, taller: torch.Size | None, size: torch.Size) -> Shape | None:
    """None where nothing tells pixels from channels."""
    if len(shape) == 3:
        return _tokens(shape, taller, size)
    height, width = size
    _, a, b, c = shape
    if taller is not None:
        grown = _grown(shape, taller)
        channels_first, channels_last = grown == [2], grown == [1]
    else:
        channels_first, channels_last = b * width == c * height, a * width == b * height
    if channels_first == channels_last:
        return None
    return Shape(a, height / b) if channels_first else Shape(c, height / a, True)


def _tokens(shape: torch.Size, taller: torch.Size | None, size: torch.Size) -> Shape | None:
    height, width = size
    _, length, channels = shape
    if taller is not None:
        # the pixels double, what comes before them does not
        prefix = 2 * length - taller[1] if _grown(shape, taller) == [1] else -1
    else:
        strides = [s for s in range(1, min(size) // 2 + 1) if height % s == width % s == 0]
        pixels = [height * width // s**2 for s in strides]
        prefix = length - max((n for n in pixels if n <= length), default=length + 1)
    if not 0 <= prefix <= MOST_PREFIX or prefix >= length:
        return None
    stride = math.sqrt(height * width / (length - prefix))
    return Shape(channels, stride, True, prefix, tokens=True)


def _grown(shape: torch.Size, taller: torch.Size) -> list[int]:
    return [index for index in range(1, len(shape)) if taller[index] != shape[index]]
