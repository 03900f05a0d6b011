"""What a score says of itself, and how scores become a table with intervals.

The stamp is one JSON file beside the framework's own result, and one line under its table: data,
fog, boxes, image size, checkpoint, versions, seed, so that nobody compares two scores that do not
compare. Each framework's part fills it in; None means unknown. Tables are made from stamps.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import math
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
# Two-sided 95 % of Student's t for 1 to 29 degrees of freedom
T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045),
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
            ``versions``; ``scores``, all of them, in the framework's own form; ``metric`` and
            ``domains``, the scores to compare, as in `Scores`; ``style_distance``, the domains'
            `median_distances`, where the model measures them; ``adaptation``, of a model that was
            adapted, see `describe_adaptation`: ``source``, ``target``, ``target_images``, the
            number of its unlabelled images, and ``test_images_among_them``, how many of the scored
            images are among these, both None where they cannot be told. The time is added.

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


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 95 % interval of the values' mean, by Student's t; None of fewer than two.

    NaN if one of them is, as an AP50 where nothing was detected. More than 30 values take the
    factor of 30, which is at most 5 % too wide.
    """
    if len(values) < 2:
        return None
    if any(map(math.isnan, values)):
        return math.nan
    factor = T_95[min(len(values) - 1, len(T_95)) - 1]
    return factor * statistics.stdev(values) / len(values) ** 0.5


def interval(values: Sequence[float]) -> str:
    """Mean and half width of its 95 % interval; the mean alone of one value.

    Example:
        >>> interval([4.1, 1.6, 5.7])  # gains of three seeds
        '+3.8 ± 5.1'
        >>> interval([11.8])
        '+11.8'
    """
    half = half_width(values)
    return f"{statistics.mean(values):+.1f}" + ("" if half is None else f" ± {half:.1f}")


def table(runs: Mapping[str, Mapping[int, Scores | None]], baseline: str = "plain") -> str:
    """A Markdown table, a row for each form and a column for each domain.

    A cell is the mean, each seed's score and, where the baseline has run, the gain over it with
    its 95 % interval; gains are paired by seed.

    Args:
        runs: form, then seed, to the scores of that run; None of a run that has failed, which
            stands in its place as such.
        baseline: the form that gains are over.

    Raises:
        InputError: the runs differ in metric or domains.
    """
    finished = {
        form: {seed: scores for seed, scores in seeds.items() if scores is not None}
        for form, seeds in runs.items()
    }
    first = _same_kind(finished)
    header = [first.metric, *first.domains]
    lines = [_row(header), "|---" * len(header) + "|"]
    for form, seeds in finished.items():
        cells = []
        for domain in first.domains:
            cell = _values(
                [
                    None if scores is None else scores.domains[domain]
                    for scores in runs[form].values()
                ]
            )
            gained = gains(seeds, finished.get(baseline, {}), domain)
            cells.append(f"{cell} {interval(gained)}" if form != baseline and gained else cell)
        lines.append(_row([form, *cells]))
    return "\n".join(lines)


def _same_kind(runs: Mapping[str, Mapping[int, Scores]]) -> Scores:
    """One of the runs, all of which have its metric and domains."""
    known = [(form, *run) for form, seeds in runs.items() for run in seeds.items()]
    first = known[0][2] if known else Scores("", {"score": math.nan})
    for form, seed, scores in known:
        if (scores.metric, set(scores.domains)) != (first.metric, set(first.domains)):
            raise InputError(
                f"{form}, seed {seed} has {_described(scores)}, another run "
                f"{_described(first)}: test all forms with the same metric on the same domains"
            )
    return first


def gains(seeds: Mapping[int, Scores], baseline: Mapping[int, Scores], domain: str) -> list[float]:
    """What each seed that both have run scores more on ``domain`` than the baseline's."""
    return [
        scores.domains[domain] - baseline[seed].domains[domain]
        for seed, scores in seeds.items()
        if seed in baseline
    ]


def _values(values: Sequence[float | None]) -> str:
    """Mean and each value; None has failed."""
    known = [value for value in values if value is not None]
    if not known:
        return "failed"
    listed = ", ".join("failed" if value is None else f"{value:.1f}" for value in values)
    return f"{statistics.mean(known):.1f} ({listed})"


def _described(scores: Scores) -> str:
    return f"{scores.metric} of {', '.join(scores.domains)}"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
