"""Where a network that says where its features come from, as timm's do, takes its layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from snr_plugins.errors import InputError

FINEST = 4  # pixels of the image per pixel of the first stage that counts


def default_stages(model: nn.Module) -> list[str]:
    """The stages of a timm network that an SNR follows: what ``after`` is in :func:`insert_snr`.

    Of its ``feature_info`` the last module of each stride from 4 on, but for the coarsest: the
    paper's first three stages of four. Of a network with one stride alone, as a ViT, the blocks
    that end its first three quarters. Works with ``features_only=True``, where names lie one level
    down or are written with ``_``, and without.

    Raises:
        InputError: the model has no ``feature_info``, or names a module that it does not have.

    Example:
        >>> import timm
        >>> from snr_plugins.nn import find_snr, insert_snr
        >>> net = timm.create_model("convnext_atto", pretrained=False, features_only=True)
        >>> default_stages(net)
        ['stages_0', 'stages_1', 'stages_2']
        >>> [snr.stride for snr in find_snr(insert_snr(net, default_stages(net))).values()]
        [4.0, 8.0, 16.0]
        >>> default_stages(timm.create_model("vit_tiny_patch16_224", pretrained=False))
        ['blocks.2', 'blocks.5', 'blocks.8']
    """
    features = feature_info(model)
    strides = sorted({feature["reduction"] for feature in features})
    if len(strides) == 1:
        names = [feature["module"] for feature in features]
        chosen = [names[len(names) * quarter // 4 - 1] for quarter in (1, 2, 3)]
        chosen = list(dict.fromkeys(chosen))
    else:
        last = {feature["reduction"]: feature["module"] for feature in features}
        chosen = [last[stride] for stride in strides[:-1] if stride >= FINEST]
    return [_found(model, name) for name in chosen]


def module_of_stride(model: nn.Module, stride: int) -> str:
    """Dotted name of the last stage of that stride, by timm's ``feature_info``.

    Raises:
        InputError: the model has no ``feature_info``, or names a module that it does not have.
    """
    names = [f["module"] for f in feature_info(model) if f["reduction"] == stride]
    return _found(model, names[-1])


def feature_info(model: nn.Module) -> Sequence[dict[str, Any]]:
    """What timm says of a network's features, shallow to deep, whether they are put out or not.

    Dicts with ``module``, a dotted name, ``num_chs`` and ``reduction``, the stride.

    Raises:
        InputError: the model has none.
    """
    info = getattr(model, "feature_info", None)
    info = getattr(info, "info", info)  # features_only=True wraps the list
    if not info:
        raise InputError(
            f"default_stages: {type(model).__name__} has no feature_info, which timm's networks "
            "have; name the stages: docs/networks.md lists them for others"
        )
    return info


def _found(model: nn.Module, name: str) -> str:
    """``name``, as it is called in ``model``."""
    modules = dict(model.named_modules())
    wrapped = [f"{child}.{name}" for child, _ in model.named_children()]
    for candidate in (name, name.replace(".", "_", 1), *wrapped):
        if candidate in modules:
            return candidate
    raise InputError(
        f"default_stages: feature_info of {type(model).__name__} names '{name}', which is no "
        "module of it; name the stages: docs/networks.md lists them"
    )
