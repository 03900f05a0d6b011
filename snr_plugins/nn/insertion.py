"""Put SNR into any backbone, in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.snr import SNR


def insert_snr(
    backbone: nn.Module,
    after: Sequence[str],
    *,
    example: Tensor | None = None,
    snr: Callable[..., nn.Module] = SNR,
    **options: object,
) -> nn.Module:
    """Append an SNR to each named stage of ``backbone``, in place, and return ``backbone``.

    The new child is called ``snr`` (``layer1.snr.norm.weight``); every other key of the state
    dict stays what it was, so pretrained weights load as before. A stage that is a plain
    ``nn.Sequential`` takes the SNR as its last child; any other stage gets a forward hook.
    The channel count is read from the stage's own output in one small dry run.

    Args:
        backbone: any module that maps an image batch to features.
        after: dotted names of stages, relative to ``backbone``, whose output is (N, C, H, W).
        example: the dry run's input; by default zeros of (1, 3, 64, 64).
        snr: the class to build, called as ``snr(channels, **options)``.
        options: passed on: ``reduction``, ``gate_bias``, ``eps``, ``gate``, ``inplace``. Without
            the last, an SNR inside an ``nn.Sequential`` overwrites its input where autograd is
            off: a hook that keeps the output of the block before it wants ``inplace=False``.

    Raises:
        InputError: a stage is unknown, named twice, already has an SNR, or does not put out a
            single (N, C, H, W) tensor. Nothing has been changed then.
    """
    if isinstance(after, str):
        raise InputError(f"insert_snr: after='{after}' must be a list of stage names")
    stages = {name: _stage(backbone, name) for name in after}
    if len(stages) != len(after):
        raise InputError(f"insert_snr: a stage is named twice in after={list(after)}; name it once")
    shapes = output_shapes(backbone, stages, example)
    # All modules are built before the first one is put in: an error leaves the backbone as it was.
    built = {name: snr(shapes[name][1], **options) for name in stages}
    for name, stage in stages.items():
        reference = next(stage.parameters(), None)
        module = built[name] if reference is None else built[name].to(reference)
        stage.add_module("snr", module.train(stage.training))
        if type(stage).forward is not nn.Sequential.forward:
            stage.register_forward_hook(_apply_snr)
        elif isinstance(module, SNR) and "inplace" not in options:
            module.inplace = True  # a Sequential hands its last output to nobody else
    return backbone


def _apply_snr(stage: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return stage.snr(output)


def _stage(backbone: nn.Module, name: str) -> nn.Module:
    module = backbone
    path = name.split(".")
    for depth, part in enumerate(path):
        children = dict(module.named_children())
        if part not in children:
            parent = ".".join([*path[:depth], ""])
            names = ", ".join(parent + child for child in children) or "none"
            raise InputError(f"insert_snr: there is no stage '{name}'; choose from: {names}")
        module = children[part]
    if "snr" in dict(module.named_children()):
        raise InputError(f"insert_snr: stage '{name}' already has an SNR; remove it from `after`")
    return module


def output_shapes(
    backbone: nn.Module, modules: Mapping[str, nn.Module], example: Tensor | None = None
) -> dict[str, torch.Size]:
    """Shape of what each of ``modules`` puts out, by running ``backbone`` once on ``example``.

    In evaluation and without gradients; nothing is left changed.

    Raises:
        InputError: a module is not run, or does not put out one (N, C, H, W) tensor.
    """
    outputs: dict[str, object] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: outputs.update({name: out}))
        for name, module in modules.items()
    ]
    reference = next(backbone.parameters(), torch.empty(0))
    example = (torch.zeros(1, 3, 64, 64) if example is None else example).to(reference)
    was_training = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        with torch.no_grad():
            backbone(example)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    for name in modules:
        out = outputs.get(name)
        if not isinstance(out, Tensor) or out.dim() != 4:
            what = "is not run" if out is None else "does not put out one (N, C, H, W) tensor"
            raise InputError(
                f"insert_snr: stage '{name}' {what} in the backbone's forward; "
                "choose a stage whose output is a feature map"
            )
    return {name: outputs[name].shape for name in modules}
