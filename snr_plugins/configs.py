"""Finds the configs that come with the package, from any working folder::

    from snr_plugins.configs import config_path
    cfg.merge_from_file(config_path("detection/faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml"))

They lie in ``snr_plugins/.mim/configs`` of an installed wheel, as in OpenMMLab's packages, and in
the repository's ``configs`` beside an editable installation. A YAML config names its weights
relative to the folder that holds ``configs``: ``snr_plugins.detection.config.load_config`` finds
them there; Detectron2's own launchers do in that folder alone, else they want MODEL.WEIGHTS.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from snr_plugins.errors import InputError

PACKAGE = Path(__file__).resolve().parent


def shipped_root() -> Path:
    """The folder that holds ``configs`` and ``tools``."""
    installed = PACKAGE / ".mim"
    return installed if installed.is_dir() else PACKAGE.parent


def config_path(name: str) -> str:
    """The file of a config, as Detectron2 and MMEngine read it.

    Args:
        name: relative to ``configs``, such as ``segmentation/fcn_r50_gta5_snr.py``.

    Raises:
        InputError: there is no such config.

    Example:
        >>> config_path("segmentation/fcn_r50_gta5_snr.py")
        '...configs/segmentation/fcn_r50_gta5_snr.py'
        >>> config_path("segmentation/fcn_r50_gta5_rsn.py")
        Traceback (most recent call last):
        ...
        snr_plugins.errors.InputError: ...did you mean segmentation/fcn_r50_gta5_snr.py or ...
    """
    folder = shipped_root() / "configs"
    path = folder / name
    if path.is_file():
        return str(path)
    names = [
        found.relative_to(folder).as_posix()
        for found in sorted(folder.rglob("*"))
        if found.suffix in (".py", ".yaml")
    ]
    near = difflib.get_close_matches(name, names)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose one of {folder}"
    raise InputError(f"config file not found: {name}; {hint}")
