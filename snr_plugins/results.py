"""What a score must say of itself, so that nobody compares two that do not compare.

One JSON file beside the framework's own result, and one line under its table: data, fog, boxes,
image size, checkpoint, versions, seed. Each framework's part fills it in; None means unknown.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
from collections.abc import Sequence
from pathlib import Path

from snr_plugins.data.files import write_whole

BLOCK = 2**20  # bytes


def describe_checkpoint(path: str | os.PathLike[str] | None, iteration: int | None = None) -> dict:
    """A checkpoint's file, its SHA-256 and, in training, the iteration that was scored.

    Args:
        path: a file; an address, which has no hash here; None where no file holds the weights
            that were scored.
        iteration: number of iterations trained so far; None outside training.
    """
    if path is None or not os.path.isfile(path):  # an address, perhaps
        return {"file": path and str(path), "sha256": None, "iteration": iteration}
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return {"file": str(path), "sha256": digest.hexdigest(), "iteration": iteration}


def versions(modules: Sequence[str]) -> dict[str, str]:
    """Version of this package and of each module."""
    return {name: _version(name) for name in ("snr_plugins", *modules)}


def _version(name: str) -> str:
    # Builds of Detectron2 have other names as packages, so the module is asked first.
    known = getattr(importlib.import_module(name), "__version__", None)
    return known or importlib.metadata.version(name)


def write_stamp(path: str | os.PathLike[str], stamp: dict) -> str:
    """Write a stamp and return the line that goes under the framework's table.

    Args:
        path: JSON file to write, whole or not at all.
        stamp: ``datasets``, a list of dicts with ``name``, ``betas``, ``images`` and ``classes``
            and, for boxes, ``boxes``, ``groups`` and ``box_convention``; ``image_size``;
            ``test_time_augmentation``; ``checkpoint``, see `describe_checkpoint`; ``seed``;
            ``versions``; ``scores``.

    Raises:
        InputError: the file cannot be written.
    """
    text = json.dumps(stamp, indent=1, ensure_ascii=False, default=str)
    write_whole(Path(path), (text + "\n").encode())
    return f"{summary(stamp)} ({path})"


def summary(stamp: dict) -> str:
    """The stamp in one line, for people."""
    checkpoint = stamp["checkpoint"]
    if checkpoint["sha256"]:
        weights = f"{checkpoint['file']} (sha256 {checkpoint['sha256'][:12]})"
    elif checkpoint["file"]:
        weights = f"{checkpoint['file']} (not a file here: no hash)"
    elif checkpoint["iteration"] is not None:
        weights = f"weights of iteration {checkpoint['iteration']}, in no file"
    else:
        weights = "weights of no known file"
    size = stamp["image_size"] or "unknown"
    parts = [
        *map(_dataset_line, stamp["datasets"]),
        f"image size {size}",
        f"test-time augmentation {stamp['test_time_augmentation'] or 'unknown'}",
        weights,
        f"seed {'unknown' if stamp['seed'] is None else stamp['seed']}",
        ", ".join(f"{name} {version}" for name, version in stamp["versions"].items()),
    ]
    return "; ".join(parts)


def _dataset_line(dataset: dict) -> str:
    line = f"{dataset['name']}: {dataset['images']} images"
    if dataset["betas"]:
        line += f", fog beta {', '.join(map(str, dataset['betas']))}"
    if "boxes" in dataset:
        line += (
            f", {dataset['boxes']} boxes and {dataset['groups']} groups "
            f"(convention: {dataset['box_convention']})"
        )
    return f"{line}, {len(dataset['classes'])} classes"
