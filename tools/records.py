"""What is kept of a comparison: one small JSON file, in which nothing names a machine.

The stamps, logs and ``run.json`` of its runs hold far more, and paths of the machine that ran them.
Kept is, for each arm and seed, what a reader compares, or needs to run it again::

    name, title, config, command, source, joined, baselines    as in its plan
    metric, domains, image_size, test_time_augmentation, datasets, versions    as in the stamps
    arms: {arm: {title, network, runs: [run ...]}}

``network`` is what the stamps of the arm's runs say is inside; null for runs of before they did.

A run has ``seed``, ``status`` ("finished" or "failed", with ``error``), ``command``, ``commit``,
``seconds`` and, once finished, ``checkpoint`` (its SHA-256 and iteration), ``scores`` by domain,
``classes`` by domain and class, ``distances`` by domain and layer, ``curves``: ``loss`` and each
stage's entropies over ``iterations``, and, of what was adapted, ``adaptation`` by domain: what the
stamp says of it. Scores are in percent; null is not a number.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from runs import ROOT

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError

BY_DOMAIN = ("scores", "classes", "distances", "adaptation")  # what a kept run has of each
RECORDS = ROOT / "benchmarks" / "results" / "comparisons"
# A path from the root of a machine: not what follows a name, a dot or a scheme, as in a/b or ://
PATH = re.compile(r"(?<![\w.~:/])/(?:[^\s/'\"\],;:]+/)*[^\s/'\"\],;:]+")


def neutral(text: str) -> str:
    """``text`` with paths of the repository as seen from its root, and no more than the last name
    of any other.

    Example:
        >>> neutral("/home/me/data/camvid is not in configs/a.yaml or 1/2 of s3://bucket/b")
        'camvid is not in configs/a.yaml or 1/2 of s3://bucket/b'
    """
    return PATH.sub(lambda match: _neutral(Path(match[0])), text)


def _neutral(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def write_record(record: dict, folder: Path) -> Path:
    """Keep it as NAME.json, a line for each list of numbers."""
    text = json.dumps(_rounded(record), indent=1, ensure_ascii=False, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}\"]*\]", lambda match: " ".join(match[0].split()), text)
    path = folder / f"{record['name']}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, (text + "\n").encode())
    return path


def _rounded(value: Any) -> Any:
    """Numbers with five digits, what is none as null."""
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def read_records(folder: Path) -> list[dict]:
    """The comparisons that are kept in ``folder``, by name.

    Raises:
        InputError: a file is none of them.
    """
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
        except ValueError:
            record = None
        if not (isinstance(record, dict) and {"name", "arms", "domains"} <= record.keys()):
            raise InputError(f"{path} is no comparison that tools/report.py has kept: remove it")
        records.append(record)
    return records
