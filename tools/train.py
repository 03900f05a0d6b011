"""Train or evaluate one config with the framework that it is written for.

    python tools/train.py configs/detection/X.yaml [--num-gpus N] [--num-machines M]
        [--dist-url U] [--resume] [--eval-only] [KEY VALUE ...]
    python tools/train.py configs/segmentation/X.py [--work-dir D] [--amp] [--resume]
        [--launcher L] [--eval-only] [--cfg-options KEY=VALUE ...]

The same as `python -m snr_plugins.train`, which needs no repository.
"""

import sys

from snr_plugins.train import main

if __name__ == "__main__":
    main(sys.argv[1:])
