"""Keep of a Detectron2 checkpoint what another training starts from, in half precision.

python tools/shrink_checkpoint.py output/X/model_final.pth weights.pth
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path

import torch
from weights import read_checkpoint

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError


def shrink(source: str, target: str) -> None:
    """Write the weights of ``source`` to ``target``: convolutions and linear layers in float16,
    norms and their running variances, which may leave its range, as they are."""
    if not os.path.isfile(source):
        raise InputError(f"checkpoint not found: {source}")
    saved = read_checkpoint(source)
    model = saved.get("model") if isinstance(saved, dict) else None
    if model is None:
        raise InputError(f"{source} has no 'model' entry; name a checkpoint that Detectron2 saved")
    weights = {
        key: value.half() if value.dim() > 1 and value.is_floating_point() else value
        for key, value in model.items()
    }
    file = io.BytesIO()
    torch.save({"model": weights}, file)
    write_whole(Path(target), file.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", help="a checkpoint of Detectron2's trainer")
    parser.add_argument("target", help="the file to write")
    args = parser.parse_args()
    try:
        shrink(args.source, args.target)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
