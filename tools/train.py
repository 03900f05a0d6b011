"""Train or evaluate one config with the framework that it is written for.

    python tools/train.py configs/detection/X.yaml [--num-gpus N] [--num-machines M]
        [--dist-url U] [--resume] [--eval-only] [KEY VALUE ...]
    python tools/train.py configs/segmentation/X.py [--work-dir D] [--amp] [--resume]
        [--launcher L] [--eval-only] [--cfg-options KEY=VALUE ...]

The flags are the framework's own. `python tools/train.py CONFIG --help` lists them.
"""

from __future__ import annotations

import sys


def main(argv: list[str]) -> None:
    config = next(
        (argument for argument in argv if argument.endswith((".yaml", ".yml", ".py"))), None
    )
    if config is None:
        print(__doc__)
        sys.exit(0 if {"-h", "--help"} & set(argv) else 2)
    # Only the framework that is needed: nobody has to install the other one.
    if config.endswith(".py"):
        from snr_plugins.openmmlab.launch import main as launch
    else:
        from snr_plugins.detection.launch import main as launch
    launch(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
