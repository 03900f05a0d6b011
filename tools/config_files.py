"""Config files as their framework reads them, with their bases; no model or dataset is built."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from snr_plugins.errors import InputError

if TYPE_CHECKING:
    from mmengine.config import Config


def is_mmengine(config: Path) -> bool:
    """Whether MMEngine trains this config; Detectron2 does otherwise."""
    return config.suffix == ".py"


@cache
def read_mmengine(config: Path) -> Config:
    """
    Raises:
        InputError: it is no config, or MMEngine, or what its base belongs to, is not installed.
    """
    try:
        from mmengine.config import Config

        return Config.fromfile(config, import_custom_modules=False)
    except Exception as error:  # a config is code, which may raise anything
        raise _unreadable(config, error) from None


@cache
def digest(config: Path) -> str:
    """SHA-256 of what a config and its bases say: not of their comments, or where they lie.

    Raises:
        InputError: as `read_mmengine`, and for Detectron2 likewise.
    """
    if is_mmengine(config):
        content = read_mmengine(config).to_dict()
    else:
        try:
            from detectron2.config import CfgNode

            content = CfgNode.load_yaml_with_base(str(config))
        except Exception as error:  # of the parser, of a base that is not there
            raise _unreadable(config, error) from None
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _unreadable(config: Path, error: Exception) -> InputError:
    lines = str(error).strip().splitlines() or [""]
    return InputError(
        f"{config} cannot be read ({type(error).__name__}: {lines[0]}); "
        "correct it, or install what it needs"
    )
