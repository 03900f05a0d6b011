"""What a ResNet's tensors are called in each program, and the way from one's names to another's.

One network, number by number, has its tensors under different names in torchvision, timm,
Detectron2, MMSegmentation and the model that SNR's authors released (microsoft/SNR,
classification/PACS). Rules lead each program's names to shared ones, which are torchvision's, with
MMSegmentation's ``stem.N`` for a stem of three convolutions. Where a convolution has its stride,
and which images it was trained on, no tensor says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from snr_plugins.errors import InputError

STAGES = (1, 2, 3, 4)
# Of a template: a residual block, a layer in it, a tensor, anything
FIELDS = {"block": r"\d+", "i": r"\d", "leaf": r"\w+", "rest": r".+"}
STEM = ("conv1.weight", "stem.0.weight")  # shared names of the first convolution
# Tensors that the forward of no trained network needs: probes of the restitution loss, and a fourth
# instance norm and gate that the released model builds and never calls
UNUSED = {
    "detectron2": r"snr_losses\..+",
    "mmseg": r"snr_losses\..+",
    "microsoft_snr": r"fc[123]\..+|IN4\..+|style_reid_laye4\..+",
}


def _torchvision(deep: bool) -> dict[str, str]:
    blocks = ["{block}.conv{i}.{leaf}", "{block}.bn{i}.{leaf}"]
    blocks += ["{block}.downsample.0.{leaf}", "{block}.downsample.1.{leaf}"]
    blocks += ["snr.{rest}", "style.{rest}"]
    names = [f"layer{n}.{name}" for n in STAGES for name in blocks]
    return {name: name for name in ("conv1.{leaf}", "bn1.{leaf}", "fc.{leaf}", *names)}


def _timm(deep: bool) -> dict[str, str]:
    averaged = (f"layer{n}.{{block}}.downsample.2.{{leaf}}" for n in STAGES)  # ResNet-D
    names = _torchvision(deep) | {name: name for name in averaged}
    if not deep:
        return names
    del names["conv1.{leaf}"], names["bn1.{leaf}"]
    stem = {f"stem.{n}.{{leaf}}": f"conv1.{n}.{{leaf}}" for n in (0, 1, 3, 4, 6)}
    return names | stem | {"stem.7.{leaf}": "bn1.{leaf}"}


def _mmseg(deep: bool) -> dict[str, str]:
    names = {name: name for name in _timm(deep)}  # as timm's, but for the stem
    del names["fc.{leaf}"]
    return names


def _detectron2(deep: bool) -> dict[str, str]:
    names = {"fc.{leaf}": "linear.{leaf}"}
    for n in STAGES:
        stage, own = f"layer{n}", f"res{n + 1}"
        names |= {
            f"{stage}.{{block}}.conv{{i}}.{{leaf}}": f"{own}.{{block}}.conv{{i}}.{{leaf}}",
            f"{stage}.{{block}}.bn{{i}}.{{leaf}}": f"{own}.{{block}}.conv{{i}}.norm.{{leaf}}",
            f"{stage}.{{block}}.downsample.0.{{leaf}}": f"{own}.{{block}}.shortcut.{{leaf}}",
            f"{stage}.{{block}}.downsample.1.{{leaf}}": f"{own}.{{block}}.shortcut.norm.{{leaf}}",
            f"{stage}.snr.{{rest}}": f"{own}.snr.{{rest}}",
            f"{stage}.style.{{rest}}": f"{own}.style.{{rest}}",
        }
    convolutions = {"stem.0": "stem.1", "stem.3": "stem.4", "stem.6": "stem.7"}
    stem = convolutions if deep else {"conv1": "bn1"}
    for index, (convolution, norm) in enumerate(stem.items(), 1):
        names[f"{convolution}.{{leaf}}"] = f"stem.conv{index}.{{leaf}}"
        names[f"{norm}.{{leaf}}"] = f"stem.conv{index}.norm.{{leaf}}"
    return names


def _microsoft_snr(deep: bool) -> dict[str, str]:
    names = {name: own for name, own in _torchvision(deep).items() if "{rest}" not in name}
    for n in STAGES[:3]:
        names[f"layer{n}.snr.norm.{{leaf}}"] = f"IN{n}.{{leaf}}"
        names[f"layer{n}.snr.gate.fc{{i}}.{{leaf}}"] = f"style_reid_laye{n}.fc{{i}}.{{leaf}}"
    return names


# A program, the rules from shared to own names, and the tensor that tells a stem of three
PROGRAMS: dict[str, tuple[Callable[[bool], dict[str, str]], str | None]] = {
    "torchvision": (_torchvision, None),
    "timm": (_timm, "conv1.0.weight"),
    "detectron2": (_detectron2, "stem.conv2.weight"),
    "mmseg": (_mmseg, "stem.0.weight"),
    "microsoft_snr": (_microsoft_snr, None),
}


def rename_resnet(
    weights: Mapping[str, Tensor], source: str, target: str, swap_channels: bool = False
) -> tuple[dict[str, Tensor], list[str]]:
    """The ``weights`` of a ResNet under the names of another program.

    Args:
        weights: a backbone's, without a prefix; with SNR after its stages or without.
        source, target: of :data:`PROGRAMS`.
        swap_channels: also turn the first convolution from RGB images to BGR ones, or back.

    Returns:
        The renamed tensors, and the names of those that are no part of the trained network: probes,
        and what the released model never calls.

    Raises:
        InputError: a program is unknown, or a tensor, the first of which is named, is not of the
            one program's ResNet or has no place in the other's. A part is never converted.

    Example:
        >>> import torchvision
        >>> from snr_plugins.nn import insert_snr
        >>> net = insert_snr(torchvision.models.resnet18(), after=["layer1"])
        >>> renamed, _ = rename_resnet(net.state_dict(), "torchvision", "detectron2")
        >>> [name for name in renamed if "gate.fc1" in name or "res2.0.conv1.norm.w" in name]
        ['res2.0.conv1.norm.weight', 'res2.snr.gate.fc1.weight', 'res2.snr.gate.fc1.bias']
    """
    for program in (source, target):
        if program not in PROGRAMS:
            raise InputError(f"'{program}' is unknown; choose from: {', '.join(PROGRAMS)}")
    names, mark = PROGRAMS[source]
    deep = mark is not None and mark in weights
    to_shared = [(own, shared) for shared, own in names(deep).items()]
    to_own = list(PROGRAMS[target][0](deep).items())
    unused = re.compile(UNUSED.get(source, r"(?!)"))
    renamed, left = {}, []
    for name, tensor in weights.items():
        if unused.fullmatch(name):
            left.append(name)
            continue
        shared = _translated(name, to_shared)
        if shared is None:
            raise InputError(f"{name} is no tensor of a ResNet of {source}{_hint(name, to_shared)}")
        own = _translated(shared, to_own)
        if own is None:
            raise InputError(f"{name} has no place in a ResNet of {target}")
        if swap_channels and shared in STEM:
            tensor = tensor.flip(1)
        renamed[own] = _reshaped(tensor, own, target)
    return renamed, left


def _reshaped(tensor: Tensor, name: str, target: str) -> Tensor:
    """The released gate's layers are convolutions of 1x1, ours are linear."""
    if target == "microsoft_snr" and re.fullmatch(r"style_reid_laye\d\.fc\d\.weight", name):
        return tensor.flatten(1)[:, :, None, None]
    return tensor.flatten(1) if re.search(r"\.snr\.gate\.fc\d\.weight$", name) else tensor


def _translated(name: str, rules: list[tuple[str, str]]) -> str | None:
    for template, other in rules:
        match = _pattern(template).fullmatch(name)
        if match:
            return other.format(**match.groupdict())
    return None


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", template)
    literals, fields = parts[::2], [f"(?P<{name}>{FIELDS[name]})" for name in parts[1::2]] + [""]
    return re.compile("".join(re.escape(a) + b for a, b in zip(literals, fields, strict=True)))


def _hint(name: str, rules: list[tuple[str, str]]) -> str:
    """The prefix without which a name would be known."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        if _translated(".".join(parts[count:]), rules):
            return f" unless {'.'.join(parts[:count])}. is taken away as a prefix"
    return ""
