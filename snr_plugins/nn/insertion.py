"""Put a style layer into any backbone, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.layers import LAYERS, check_options, create_layer
from snr_plugins.nn.residual_blocks import insert_in_blocks
from snr_plugins.nn.shapes import Shape, dry_run, example_for, output_shapes
from snr_plugins.nn.style import StyleLayer, StyleLayers, apply_child, find_layers


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
    gets a forward hook. A stage that puts out (N, H, W, C), as Swin's do, is served through a view,
    and so are tokens (N, L, C), as those of a ViT: the class token and registers before them are
    left alone. Each map of a list or tuple that a stage puts out gets a layer: ``snr.0`` ....
    "ibn_a" and "ibn_b" go into the stage's residual blocks and are called so
    (``layer1.0.bn1.ibn_a.norm.weight``); they need no shapes and no run.

    Args:
        backbone: any module that maps an image batch to features.
        after: dotted names of stages, relative to ``backbone``, that put out a feature map. An
            ``nn.ModuleList`` stands for its last module.
        layer: one of :data:`snr_plugins.nn.layers.LAYERS`.
        shapes: of stages whose output is known; those of all others are read from small dry runs,
            which need every operator of the backbone to exist on its device. Where a stage has a
            forward of its own, the backbone runs once all the same.
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
    if len({id(_last_run(stage)) for stage in stages.values()}) != len(after):
        raise InputError(
            f"insert_layer: a stage is named twice in after={list(after)}; name it once"
        )
    if LAYERS[layer].in_blocks:
        insert_in_blocks(stages, layer, options)
        return backbone
    stages = {name: _last_run(stage) for name, stage in stages.items()}
    declared = shapes or {}
    unknown = {name: stage for name, stage in stages.items() if name not in declared}
    known = {name: [declared[name]] for name in stages if name in declared}
    if unknown:
        example = example_for(backbone) if example is None else example
        known |= output_shapes(backbone, unknown, example)
    # All layers are built before the first one is put in: an error leaves the backbone as it was.
    built = {name: _layers(name, layer, known[name], options) for name in stages}
    children = {}  # of stages that have a forward of their own: where the layer lives below them
    for name, stage in stages.items():
        module, home = built[name], _home(stage)
        reference = next(stage.parameters(), None)
        if reference is not None:
            module.to(reference)
        child = LAYERS[layer].child_name
        stage.get_submodule(home).add_module(child, module.train(stage.training))
        if type(stage).forward is not nn.Sequential.forward:
            children[name] = f"{home}.{child}" if home else child
        elif "inplace" not in options:
            for style in find_layers(module).values():
                style.inplace = True  # a Sequential hands its last output to nobody else
    # some run whatever children they have, as RegNet's stages in Detectron2 do; a convolution not
    in_doubt = {n: built[n] for n in children if not isinstance(stages[n], nn.Conv2d)}
    run: dict[str, object] = {}
    if in_doubt:
        try:
            example = example_for(backbone) if example is None else example
            run = dry_run(backbone, in_doubt, example)
        except Exception:  # a stage that hands its children what is no map
            for stage in stages.values():
                delattr(stage.get_submodule(_home(stage)), LAYERS[layer].child_name)
            raise
    for name in children.keys() - run.keys():
        # before the hooks of others, such as timm's that collect features
        hook = partial(apply_child, children[name])
        stages[name].register_forward_hook(hook, prepend=True)
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
    last = _last_run(module)
    for child in (*module.children(), *last.get_submodule(_home(last)).children()):
        if isinstance(child, (StyleLayer, StyleLayers)):
            kind = type(child).__name__
            raise InputError(
                f"insert_layer: stage '{name}' already has a style layer ({kind}); take it out of "
                "`after`"
            )
    return module


def _last_run(stage: nn.Module) -> nn.Module:
    """A list of modules, which is not run itself, stands for its last one."""
    while isinstance(stage, nn.ModuleList) and type(stage).forward is nn.Module.forward:
        stage = stage[-1]
    return stage


def _layers(name: str, kind: str, shapes: list[Shape], options: dict[str, Any]) -> nn.Module:
    """For all that a stage puts out: a layer, or one for each map of its list."""
    if LAYERS[kind].needs_rows and any(shape.tokens for shape in shapes):
        raise InputError(
            f"insert_layer: stage '{name}' puts out tokens (N, L, C), which do not say their "
            f"neighbours, and {kind} looks at them; take layer 'snr'"
        )
    layers = [create_layer(kind, shape.channels, **options) for shape in shapes]
    for layer, shape in zip(layers, shapes, strict=True):
        layer.stride, layer.channels_last = shape.stride, shape.channels_last
        layer.prefix = shape.prefix
    if shapes[0].element is None:
        return layers[0]
    return StyleLayers({str(s.element): x for s, x in zip(shapes, layers, strict=True)})


def _home(stage: nn.Module) -> str:
    """Dotted name, below the stage, of the module that its layer becomes a child of.

    The stage itself, "", but for those that are dicts or lists of modules and walk over themselves
    in a way of their own, as DenseNet's: of them the last child.
    """
    path = []
    while isinstance(stage, (nn.ModuleDict, nn.ModuleList)):
        name, stage = list(stage.named_children())[-1]
        path.append(name)
    return ".".join(path)
