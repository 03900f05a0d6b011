"""Lets Detectron2's own ``train_net.py`` read SNR configs, unchanged.

Run it with the environment variable ``DETECTRON2_ENV_MODULE=snr_plugins.detection.env``; a module
that registers datasets of one's own is named by ``SNR_DATASETS`` beside it.
"""

from detectron2.config.defaults import _C

from snr_plugins.detection.config import add_snr_config
from snr_plugins.detection.own_data import register_own_datasets


def setup_environment() -> None:
    """Called by Detectron2 once, while it is imported (detectron2/utils/env.py)."""
    add_snr_config(_C)
    register_own_datasets()
