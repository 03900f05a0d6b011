"""Put a style layer into any backbone, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.layers import LAYERS, check_options, create_layer
from snr_plugins.nn.residual_blocks import insert_in_blocks
from snr_plugins.nn.style import StyleLayer, apply_child

EXAMPLE = (1, 3, 64, 160)  # of the dry run; oblong, as a map is then told by its form too


class Shape(NamedTuple):
    """What is known of a stage's output.

    ``stride`` is in pixels of the image per pixel of the map, None if unknown; ``channels_last``
    means (N, H, W, C) in place of (N, C, H, W).
    """

    channels: int
    stride: float | None = None
    channels_last: bool = False


def insert_layer(
    backbone: nn.Module,
    after: Sequence[str],
    layer: str = "snr",
    *,
    shapes: Mapping[str, Shape] | None = None,
    example: Tensor | None = None,
    **options: Any,
) -> nn.Module:
    """Append a style layer to each named stage of ``backbone``, in place; return ``backbone``.

    The new child is called ``snr`` (``layer1.snr.norm.weight``), or ``style`` for layers other than
    SNR; every other key of the state dict stays what it was, so pretrained weights load as before.
    A stage that is a plain ``nn.Sequential`` takes the layer as its last child; any other stage
    gets a forward hook. A stage that puts out (N, H, W, C), as Swin's do, is served through a view.
    "ibn_a" and "ibn_b" go into the stage's residual blocks and are called so
    (``layer1.0.bn1.ibn_a.norm.weight``); they need no shapes and no run.

    Args:
        backbone: any module that maps an image batch to features.
        after: dotted names of stages, relative to ``backbone``, whose output is one feature map.
        layer: one of :data:`snr_plugins.nn.layers.LAYERS`.
        shapes: of stages whose output is known; those of all others are read from small dry runs,
            which need every operator of the backbone to exist on its device.
        example: the dry run's input; by default zeros of (1, 3, 64, 160).
        options: the layer's own: for "snr" ``reduction``, ``gate_bias``, ``eps``, ``gate``; and
            ``inplace``. Without it, a layer inside an ``nn.Sequential`` overwrites its input where
            autograd is off: a hook that keeps the output of the block before it wants
            ``inplace=False``.

    Raises:
        InputError: a stage is unknown, named twice, already has such a layer, or does not put out a
            single feature map; an option does not fit. Nothing has been changed then.

    Example:
        >>> from torch import nn
        >>> stage = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU())
        >>> net = nn.Sequential(stage)
        >>> net = insert_layer(net, after=["0"], layer="instance_norm", eps=1e-3)
        >>> net[0].style.channels, net[0].style.stride, net[0].style.eps
        (8, 4.0, 0.001)
    """
    if isinstance(after, str):
        raise InputError(f"insert_layer: after='{after}' must be a list of stage names")
    child_options = {key: value for key, value in options.items() if key != "inplace"}
    check_options("insert_layer", layer, child_options)
    stages = {name: _stage(backbone, name) for name in after}
    if len(stages) != len(after):
        raise InputError(
            f"insert_layer: a stage is named twice in after={list(after)}; name it once"
        )
    if LAYERS[layer].in_blocks:
        insert_in_blocks(stages, layer, options)
        return backbone
    example = torch.zeros(EXAMPLE) if example is None else example
    known = dict(shapes or {})
    unknown = {name: stage for name, stage in stages.items() if name not in known}
    if unknown:
        known |= output_shapes(backbone, unknown, example)
    # All layers are built before the first one is put in: an error leaves the backbone as it was.
    built = {name: create_layer(layer, known[name].channels, **options) for name in stages}
    own_forward = {}  # layers in stages that have a forward of their own
    for name, stage in stages.items():
        module, shape = built[name], known[name]
        reference = next(stage.parameters(), None)
        if reference is not None:
            module.to(reference)
        module.stride, module.channels_last = shape.stride, shape.channels_last
        stage.add_module(module.child_name, module.train(stage.training))
        if type(stage).forward is not nn.Sequential.forward:
            own_forward[name] = module
        elif "inplace" not in options:
            module.inplace = True  # a Sequential hands its last output to nobody else
    # some run whatever children they have, as RegNet's stages in Detectron2 do; a convolution not
    in_doubt = {n: m for n, m in own_forward.items() if not isinstance(stages[n], nn.Conv2d)}
    run = _dry_run(backbone, in_doubt, example) if in_doubt else {}
    for name in own_forward.keys() - run.keys():
        stages[name].register_forward_hook(apply_child)
    return backbone


def insert_snr(backbone: nn.Module, after: Sequence[str], **options: Any) -> nn.Module:
    """:func:`insert_layer` of an SNR after each named stage.

    Example:
        >>> from torch import nn
        >>> from snr_plugins.nn import find_snr
        >>> stage = nn.Sequential(nn.Conv2d(3, 32, 3, stride=4, padding=1), nn.ReLU())
        >>> net = insert_snr(nn.Sequential(stage), after=["0"], gate="static")
        >>> {name: (snr.channels, snr.stride) for name, snr in find_snr(net).items()}
        {'0.snr': (32, 4.0)}
        >>> [name for name in net.state_dict() if "snr" not in name]  # what they were before
        ['0.0.weight', '0.0.bias']
        >>> insert_snr(net, after=["1"])
        Traceback (most recent call last):
        ...
        snr_plugins.errors.InputError: insert_layer: there is no stage '1'; choose from: 0
    """
    return insert_layer(backbone, after, "snr", **options)


def _stage(backbone: nn.Module, name: str) -> nn.Module:
    module = backbone
    path = name.split(".")
    for depth, part in enumerate(path):
        children = dict(module.named_children())
        if part not in children:
            parent = ".".join([*path[:depth], ""])
            names = ", ".join(parent + child for child in children) or "none"
            raise InputError(f"insert_layer: there is no stage '{name}'; choose from: {names}")
        module = children[part]
    for child in module.children():
        if isinstance(child, StyleLayer):
            kind = type(child).__name__
            raise InputError(
                f"insert_layer: stage '{name}' already has a style layer ({kind}); take it out of "
                "`after`"
            )
    return module


def output_shapes(
    backbone: nn.Module, modules: Mapping[str, nn.Module], example: Tensor
) -> dict[str, Shape]:
    """What each of ``modules`` puts out, by running ``backbone`` on ``example``.

    And on one twice as high, which tells height from channels; a network that takes one size alone
    is told by the form of its maps. In evaluation and without gradients; nothing is left changed.

    Raises:
        InputError: a module is not run, does not put out one feature map, or nothing tells its
            height from its channels.
    """
    outputs = _dry_run(backbone, modules, example)
    shapes = {name: _map_shape(name, outputs.get(name)) for name in modules}
    try:
        taller = _dry_run(backbone, modules, example.repeat(1, 1, 2, 1))
    except Exception:  # whatever a network says to a size that it does not take
        return {name: _shape(name, shapes[name], None, example) for name in modules}
    return {
        name: _shape(name, shapes[name], _map_shape(name, taller.get(name)), example)
        for name in modules
    }


def _map_shape(name: str, output: object) -> torch.Size:
    if not isinstance(output, Tensor) or output.dim() != 4:
        what = "is not run" if output is None else "does not put out one feature map"
        raise InputError(
            f"insert_layer: stage '{name}' {what} (N, C, H, W) in the backbone's forward; "
            "choose a stage whose output is a feature map"
        )
    return output.shape


def _shape(name: str, shape: torch.Size, taller: torch.Size | None, example: Tensor) -> Shape:
    height, width = example.shape[2:]
    _, a, b, c = shape
    if taller is not None:
        grown = [index for index in (1, 2, 3) if taller[index] != shape[index]]
        channels_first, channels_last = grown == [2], grown == [1]
    else:
        channels_first, channels_last = b * width == c * height, a * width == b * height
    if channels_first == channels_last:
        raise InputError(
            f"insert_layer: stage '{name}' puts out {tuple(shape)} for an image of "
            f"{height}x{width}, which does not tell channels from height; give an `example` of "
            "another size, or `shapes`"
        )
    return Shape(a, height / b) if channels_first else Shape(c, height / a, True)


def _dry_run(
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
    backbone.eval()
    try:
        with torch.no_grad():
            backbone(example.to(reference))
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    return outputs
