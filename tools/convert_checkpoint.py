"""Rename a ResNet's weights, with SNR or without, from one program's names to another's.

    python tools/convert_checkpoint.py R-50.pth --from torchvision --to detectron2 --out R-50.pkl
    python tools/convert_checkpoint.py output/model_final.pth --from detectron2 \\
        --from-prefix backbone.bottom_up. --to mmseg --to-prefix backbone. --out weights.pth

All tensors that begin with the prefix are converted, or none: what has no place in the other
program is named. Detectron2 reads .pkl, which OUT may be for it, and .pth.
"""

from __future__ import annotations

import argparse
import io
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from weights import weights_in

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError
from snr_plugins.nn.resnet_names import PROGRAMS, rename_resnet

# What plain arrays are pickled by, in the NumPy of the model zoos and today's
ARRAYS = {
    (module, name)
    for package in ("numpy.core", "numpy._core")
    for module, name in (
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        (f"{package}.multiarray", "_reconstruct"),
        (f"{package}.multiarray", "scalar"),
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
    )
}
RGB_TRAINED = ("torchvision", "timm", "microsoft_snr")
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class ArrayUnpickler(pickle.Unpickler):
    """Arrays and plain containers; nothing that a file could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}")
        return super().find_class(module, name)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; no code in it is run.

    Raises:
        InputError: it is not there, is no checkpoint, or holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"checkpoint {path} does not exist; name one that does")
    try:
        if path.suffix == ".pkl":
            with open(path, "rb") as file:
                content = ArrayUnpickler(file, encoding="latin1").load()
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{path} is no checkpoint of arrays or tensors alone ({str(error).splitlines()[0]}); "
            "if it is yours, as a run's own with its log is, save its weights: python -c \"import "
            f"torch; torch.save(torch.load('{path}')['state_dict'], 'weights.pth')\""
        ) from None
    author = content.get("__author__") if isinstance(content, dict) else None
    weights = {
        name: torch.as_tensor(value)
        for name, value in weights_in(content, path).items()
        if isinstance(value, (Tensor, np.ndarray))
    }
    return from_caffe2(weights) if path.suffix == ".pkl" and author is None else weights


def from_caffe2(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names that Detectron2 gives to Caffe2's, as MSRA's models in its zoo have them.

    Running statistics are part of their norms' weights; Detectron2 then takes these.
    """
    from detectron2.checkpoint.c2_model_loading import convert_basic_c2_names

    kept = {name: value for name, value in weights.items() if not name.endswith("_momentum")}
    renamed = dict(zip(convert_basic_c2_names(list(kept)), kept.values(), strict=True))
    for name in [name for name in renamed if name.endswith("norm.weight")]:
        stem, weight = name.removesuffix("weight"), renamed[name]
        renamed.setdefault(f"{stem}running_mean", torch.zeros_like(weight))
        renamed.setdefault(f"{stem}running_var", torch.ones_like(weight))
    return renamed


def chosen(weights: dict[str, Tensor], prefix: str, leave_out: str | None) -> dict[str, Tensor]:
    """Those that begin with the prefix, without it, and are not to be left out.

    Raises:
        InputError: none does, or the expression is none.
    """
    begun = {n.removeprefix(prefix): value for n, value in weights.items() if n.startswith(prefix)}
    try:
        dropped = re.compile(leave_out) if leave_out else None
    except re.error as error:
        raise InputError(f"--leave-out '{leave_out}' is no regular expression ({error})") from None
    kept = {name: value for name, value in begun.items() if not (dropped and dropped.search(name))}
    if not kept:
        first = next(iter(weights), "none")
        raise InputError(f"no tensor is left that begins with '{prefix}'; the first is {first}")
    return kept


def content_for(weights: dict[str, Tensor], target: str, pickled: bool) -> bytes:
    """A file as the target's own programs write it."""
    file = io.BytesIO()
    if target == "detectron2":
        # with heuristics it takes a backbone's names below any prefix
        content: dict[str, Any] = {"model": weights, "matching_heuristics": True}
        if pickled:
            arrays = {name: value.numpy() for name, value in weights.items()}
            return pickle.dumps({**content, "model": arrays, "__author__": "snr_plugins"})
    elif target == "mmseg":
        content = {"meta": {}, "state_dict": weights}
    elif target == "microsoft_snr":
        content = {"ite": 0, "state": weights}
    else:
        content = weights
    torch.save(content, file)
    return file.getvalue()


def advice(source: str, target: str, swapped: bool) -> str:
    """What the config of the converted network must say, since no tensor does."""
    if source not in RGB_TRAINED:
        msra = " MSRA's models (stride in the first 1x1 convolution, BGR) compute something else in"
        return "Strides and the images' mean and deviation are in the source's config alone." + (
            f"{msra} {target}, whose stride is in the 3x3." if target in RGB_TRAINED else ""
        )
    order = slice(None, None, -1) if swapped else slice(None)
    colours = "BGR" if swapped else "RGB"
    if target == "detectron2":
        return (
            f"Set MODEL.RESNETS.STRIDE_IN_1X1 False, INPUT.FORMAT {colours}, MODEL.PIXEL_MEAN "
            f"{list(MEAN[order])}, MODEL.PIXEL_STD {list(STD[order])}"
        )
    return f"It takes {colours} images, mean {list(MEAN[order])}, deviation {list(STD[order])}."


def convert(args: argparse.Namespace) -> None:
    if args.out.suffix == ".pkl" and args.target != "detectron2":
        raise InputError(f"--out {args.out}: only Detectron2 reads .pkl; name a .pth")
    weights = read_weights(args.input)
    kept = chosen(weights, args.from_prefix, args.leave_out)
    try:
        renamed, unused = rename_resnet(kept, args.source, args.target, args.swap_channels)
    except InputError as error:
        raise InputError(f"{args.input}: {error}; see --from-prefix and --leave-out") from None
    named = {f"{args.to_prefix}{name}": value for name, value in renamed.items()}
    write_whole(args.out, content_for(named, args.target, args.out.suffix == ".pkl"))
    print(f"{args.out}: {len(named)} tensors of {len(weights)}")
    left = len(weights) - len(kept)
    if left:
        print(f"left out: {left} by --from-prefix and --leave-out")
    if unused:
        print(f"left out: {len(unused)} that are no part of the trained network ({unused[0]}, ...)")
    print(advice(args.source, args.target, args.swap_channels))


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=Path, help="a .pth, or a .pkl of Detectron2")
    parser.add_argument("--from", dest="source", choices=PROGRAMS, required=True)
    parser.add_argument("--to", dest="target", choices=PROGRAMS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--from-prefix", default="", help="of the backbone's names in INPUT")
    parser.add_argument("--to-prefix", default="", help="of all names in OUT")
    parser.add_argument("--leave-out", metavar="REGEX", help="what need not be converted")
    parser.add_argument(
        "--swap-channels",
        action="store_true",
        help="turn the first convolution from RGB images to BGR ones, or back",
    )
    return parser.parse_args(argv)


def main() -> None:
    try:
        convert(parse())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
