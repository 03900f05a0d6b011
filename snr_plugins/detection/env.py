"""Lets Detectron2's own ``train_net.py`` read SNR configs, unchanged.

Run it with the environment variable ``DETECTRON2_ENV_MODULE=snr_plugins.detection.env``.
"""

from detectron2.config.defaults import _C


def setup_environment() -> None:
    """Called by Detectron2 once, while it is imported (detectron2/utils/env.py)."""
    from snr_plugins.detection import add_snr_config  # detectron2 is half imported before this

    add_snr_config(_C)
