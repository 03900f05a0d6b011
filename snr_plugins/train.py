"""Train or evaluate one config with the framework that it is written for.

    python -m snr_plugins.train X.yaml [--num-gpus N] [--num-machines M]
        [--dist-url U] [--resume] [--eval-only] [KEY VALUE ...]
    python -m snr_plugins.train X.py [--work-dir D] [--amp] [--resume]
        [--launcher L] [--eval-only] [--cfg-options KEY=VALUE ...]

X is a file, or the name of a config that comes with the package, such as
`detection/faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml`. The flags are the framework's own:
`python -m snr_plugins.train X --help` lists them. In the repository, tools/train.py is the same.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError


def main(argv: list[str]) -> None:
    """``CONFIG [the framework's flags]``; exits with 1 after bad input."""
    config = next(
        (argument for argument in argv if argument.endswith((".yaml", ".yml", ".py"))), None
    )
    if config is None:
        print(__doc__)
        sys.exit(0 if {"-h", "--help"} & set(argv) else 2)
    if os.getcwd() not in sys.path:  # where modules of one's own lie, as `python -m` has it
        sys.path.append(os.getcwd())
    try:
        known = os.path.isfile(config) or "=" in config  # as in --config-file=X.yaml
        path = config if known else config_path(config)
        launch = _launcher(path)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    launch([path if argument == config else argument for argument in argv])


def _launcher(path: str) -> Callable[[list[str]], None]:
    """That of the config's framework alone: nobody has to install the other one."""
    if path.endswith(".py"):
        from snr_plugins.openmmlab.launch import main as launch
    else:
        # Detectron2 first: a module that DETECTRON2_ENV_MODULE names is imported within, and may
        # want our detection room, which must not be half-imported itself then.
        import detectron2  # noqa: F401

        from snr_plugins.detection.launch import main as launch
    return launch


if __name__ == "__main__":
    main(sys.argv[1:])
