"""Put fog over Cityscapes: leftImg8bit_foggy from leftImg8bit, disparity and camera.

    python tools/make_foggy.py data/cityscapes --workers 8

Stopped half-way, the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys

from snr_plugins.data.fog import BETAS, write_foggy
from snr_plugins.errors import InputError


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", help="folder that holds leftImg8bit, disparity, camera and gtFine")
    parser.add_argument("--out", help="folder to write leftImg8bit_foggy to (the same)")
    parser.add_argument("--splits", nargs="+", default=["train", "val"])
    parser.add_argument("--betas", nargs="+", type=float, default=BETAS, help="per metre")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    args = parser.parse_args()
    try:
        frames, without_sky = write_foggy(
            args.root, args.out, args.splits, args.betas, args.workers
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{frames} frames in {len(args.betas)} fogs: {args.out or args.root}/leftImg8bit_foggy")
    if without_sky:
        print(
            f"{without_sky} of them have no label image in gtFine: their sky is only as far away "
            "as the disparity says (docs/fog.md)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
