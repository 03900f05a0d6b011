"""What a score says of itself, so that nobody compares two scores that do not compare.

The stamp is one JSON file beside the framework's own result, and one line under its table: data,
fog, boxes, image size, checkpoint, versions, seed. Each framework's part fills it in; None means
unknown.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError

BLOCK = 2**20  # bytes
# Where the stamps of one run lie in its folder
STAMPS = (
    "inference/*/*_stamp.json",  # Detectron2, a YAML config
    "inference/*_stamp.json",  # Detectron2, a LazyConfig
    "*_stamp.json",  # the same, or the folder of one evaluator
    "*/stamp_val.json",  # MMEngine, a folder for each start of the run
    "*/stamp_test.json",
)


class Scores(NamedTuple):
    """The scores of one run, in percent: ``metric`` is AP50, mIoU or accuracy; ``domains`` name to
    score."""

    metric: str
    domains: dict[str, float]


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


def describe_adaptation(
    source: str, target: str | None, files: Iterable[str] | None, scored: Iterable[str] | None
) -> dict:
    """What a stamp says of an adapted model.

    Args:
        source, target: names of the domains; a folder's where the target is one.
        files: the target's unlabelled images, real paths; None if unknown.
        scored: the images that are scored, likewise.
    """
    known, among = None if files is None else set(files), None
    if known is not None and scored is not None:
        among = len(known & set(scored))
    return {
        "source": source,
        "target": target,
        "target_images": None if known is None else len(known),
        "test_images_among_them": among,
    }


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
            ``network``, what it has inside of this package, see `snr_plugins.nn.describe_network`,
            None where that is not known; ``versions``; ``scores``, all of them, in the framework's
            own form; ``metric`` and ``domains``, the scores to compare, as in `Scores`;
            ``style_distance``, the domains' `median_distances`, where the model measures them;
            ``adaptation``, of a model that was adapted, see `describe_adaptation`: ``source``,
            ``target``, ``target_images``, the number of its unlabelled images, and
            ``test_images_among_them``, how many of the scored images are among these, both None
            where they cannot be told. The time is added.

    Raises:
        InputError: the file cannot be written.
    """
    stamp = {**stamp, "time": datetime.now(timezone.utc).isoformat(timespec="microseconds")}
    text = json.dumps(stamp, indent=1, ensure_ascii=False, default=_as_json)
    write_whole(Path(path), (text + "\n").encode())
    return f"{summary(stamp)} ({path})"


def _as_json(value: object) -> object:
    return value.item() if hasattr(value, "item") else str(value)  # NumPy's and torch's numbers


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
    if adaptation := stamp.get("adaptation"):
        parts.append(_adaptation_line(adaptation))
    for domain, medians in stamp.get("style_distance", {}).items():
        if medians:
            values = ", ".join(f"{name} {median:.2f}" for name, median in medians.items())
            parts.append(f"style distance of {domain}: {values} (of the source below 1)")
    return "; ".join(parts)


def _adaptation_line(adaptation: dict) -> str:
    among = adaptation["test_images_among_them"]
    if among is None:
        tested = "whether the test images are among them is unknown"
    else:
        tested = f"{among or 'none'} of the test images among them"
    count = adaptation["target_images"]
    images = "images" if count is None else f"{count} images"
    return (
        f"adapted from {adaptation['source']} to unlabelled {images} of {adaptation['target']}, "
        f"{tested}"
    )


def median_distances(images: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median style distance of a domain's images, by SNR.

    Args:
        images: of each image its distances, see `snr_plugins.nn.style_distances`.
    """
    names = dict.fromkeys(name for image in images for name in image)
    return {
        name: statistics.median(image[name] for image in images if name in image) for name in names
    }


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


def find_stamps(folder: str | os.PathLike[str]) -> list[Path]:
    """The stamps of the run whose output or work folder this is, of either framework."""
    return sorted({path for pattern in STAMPS for path in Path(folder).glob(pattern)})


def read_stamps(folder: str | os.PathLike[str]) -> Scores | None:
    """What a run has scored last, from its stamps; None without one.

    Of two stamps of one domain the later one counts.

    Args:
        folder: Detectron2's OUTPUT_DIR or MMEngine's work folder.

    Raises:
        InputError: a file is no stamp, or one without domains, of an earlier version.
    """
    stamps = counted_stamps(folder)
    if not stamps:
        return None
    domains: dict[str, float] = {}
    for stamp in stamps:
        domains.update(stamp["domains"])
    return Scores(stamps[-1]["metric"], domains)


def counted_stamps(folder: str | os.PathLike[str]) -> list[dict]:
    """The stamps that count as a run's last scores, the earliest first.

    The latest stamp says of which weights, with which augmentation: stamps of others, left by an
    earlier validation or run, are not mixed with it.

    Args:
        folder: as in `read_stamps`.

    Raises:
        InputError: as in `read_stamps`.
    """
    stamps = sorted(map(_read_stamp, find_stamps(folder)), key=lambda stamp: stamp["time"])
    return [stamp for stamp in stamps if _scored(stamp) == _scored(stamps[-1])]


def _read_stamp(path: Path) -> dict:
    try:
        stamp = json.loads(path.read_bytes())
    except ValueError:
        raise InputError(f"{path} is no JSON: remove it, or test again") from None
    if "domains" not in stamp:
        raise InputError(f"{path} has no 'domains', as stamps of old have not: test again")
    return stamp


def _scored(stamp: dict) -> tuple:
    """What was scored and how; scores that differ in it do not stand in one row."""
    weights = stamp["checkpoint"]
    # of a file the iteration is known in training alone
    which = weights["sha256"] or (weights["file"], weights["iteration"])
    return which, stamp["test_time_augmentation"], stamp["metric"]
