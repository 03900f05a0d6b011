"""Draw a synthetic city in the layout of Cityscapes: clear, foggy, by night and in rain.

    python tools/make_synthetic_city.py --out data/synthetic_city    # that of docs/results.md

Stopped half-way, the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys

from snr_plugins.city import WEATHERS, write_city
from snr_plugins.errors import InputError


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument("--train", type=int, default=320, help="number of training frames")
    parser.add_argument("--val", type=int, default=80, help="number of validation frames")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same city")
    parser.add_argument("--conditions", nargs="+", default=list(WEATHERS), choices=WEATHERS)
    parser.add_argument("--width", type=int, default=512, help="of the images in pixels")
    parser.add_argument("--height", type=int, default=256, help="of the images in pixels")
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    args = parser.parse_args()
    try:
        write_city(
            args.out,
            args.train,
            args.val,
            args.seed,
            args.conditions,
            (args.width, args.height),
            args.workers,
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
