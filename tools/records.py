"""What is kept of a comparison: one small JSON file, in which nothing names a machine.

The stamps, logs and ``run.json`` of its runs hold far more, and paths of the machine that ran them.
Kept is, for each arm and seed, what a reader compares, or needs to run it again::

    name, title, config, command, source, joined, baselines    as in its plan
    metric, domains, image_size, test_time_augmentation, datasets, versions    as in the stamps
    arms: {arm: {title, runs: [run ...]}}

A run has ``seed``, ``status`` ("finished" or "failed", with ``error``), ``command``, ``commit``,
``seconds`` and, once finished, ``checkpoint`` (its SHA-256 and iteration), ``scores`` by domain,
``classes`` by domain and class, ``distances`` by domain and layer, and ``curves``: ``loss`` and
each stage's entropies over ``iterations``. Scores are in percent; null is not a number.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curves import read_curves
from experiments import Experiment
from runs import ROOT, Run

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError
from snr_plugins.results import counted_stamps

RECORDS = ROOT / "benchmarks" / "results" / "comparisons"
# A path from the root of a machine: not what follows a name, a dot or a scheme, as in a/b or ://
PATH = re.compile(r"(?<![\w.~:/])/(?:[^\s/'\"\],;:]+/)*[^\s/'\"\],;:]+")
# What all runs of a comparison must share to stand in one table
SHARED = ("metric", "domains", "image_size", "test_time_augmentation", "datasets")


def record_of(
    experiment: Experiment,
    runs: Sequence[Run],
    plan: Path,
    commit: str | None,
    earlier: Sequence[Mapping] = (),
) -> dict:
    """What is kept of an experiment.

    A run that has not ended, or has not begun, is as it was kept earlier, if its command was the
    same: another machine may have run it. Else it is left out.

    Args:
        experiment: of a plan.
        runs: all of its runs.
        plan: its file.
        commit: of runs whose ``run.json`` names none.
        earlier: the comparisons that are kept, from `read_records`.

    Raises:
        InputError: no run has finished; runs differ in what was tested and how; or ``source`` was
            not tested.
    """
    by_name = {record["name"]: record for record in earlier}
    shared: dict[str, Any] = {}
    arms = {word: {"title": row.title, "runs": []} for word, row in experiment.rows.items()}
    for run in runs:
        if run.record["status"] in ("finished", "failed"):
            arms[run.word]["runs"].append(_kept(run, shared, commit))
        elif old := _kept_before(run, by_name, shared):
            arms[run.word]["runs"].append(old)
    if not shared:
        raise InputError(f"{experiment.name}: no run has finished; tools/compare.py runs it")
    if experiment.source not in (None, *shared["domains"]):
        raise InputError(
            f"{experiment.name}: source {experiment.source} was not tested; choose from: "
            f"{', '.join(shared['domains'])}"
        )
    return {
        "name": experiment.name,
        "title": experiment.title,
        "config": neutral(str(experiment.config)),
        "command": f"python tools/compare.py {neutral(str(plan))}",
        "source": experiment.source,
        "joined": experiment.joined,
        "baselines": list(experiment.baselines),
        **shared,
        "arms": {arm: content for arm, content in arms.items() if content["runs"]},
    }


def _kept(run: Run, shared: dict[str, Any], commit: str | None) -> dict:
    """Of a run that has ended; ``shared`` takes what all have in common from the first."""
    record = run.record
    kept = {
        "seed": run.seed,
        "status": record["status"],
        "command": _command(run),
        "commit": record.get("commit") or commit,
        "seconds": record["seconds"],
    }
    if record["status"] == "failed":
        return {**kept, "error": neutral(record["error"])}
    return {**kept, **_scored(run, shared)}


def _command(run: Run) -> str:
    return shlex.join(["python", "tools/train.py", *map(neutral, run.asked)])


def _kept_before(run: Run, earlier: Mapping[str, Mapping], shared: dict[str, Any]) -> dict | None:
    """The same run in an earlier record, of its own experiment or the one that it shares with."""
    name, row = run.experiment.home(run.word)
    record = earlier.get(name, {"arms": {}})
    runs = record["arms"].get(row, {"runs": []})["runs"]
    command = _command(run)
    old = next((one for one in runs if (one["seed"], one["command"]) == (run.seed, command)), None)
    if old is None or old["status"] == "failed":
        return old
    domains = run.experiment.targets or record["domains"]
    absent = [name for name in domains if name not in old["scores"]]
    if absent:
        raise InputError(
            f"{run.name} was not tested on {absent[0]} when it was kept: run it again, or remove "
            f"{record['name']}.json"
        )
    found = {
        **record,
        "domains": list(domains),
        "datasets": _of_domains(record["datasets"], domains, record["domains"]),
    }
    _check_alike(run, found, shared)
    here = {
        key: {name: old[key][name] for name in domains if name in old[key]}
        for key in ("scores", "classes", "distances")
    }
    versions = old.get("versions", record["versions"])
    rest = {key: value for key, value in old.items() if key != "versions"}
    return {**rest, **here, **_other_versions(versions, shared)}


def _check_alike(run: Run, found: Mapping, shared: dict[str, Any]) -> None:
    """``shared`` takes from the first run what all must have in common, and its versions."""
    for key in SHARED:
        if shared.setdefault(key, found[key]) != found[key]:
            raise InputError(
                f"{run.name} differs from the others in {key}: {found[key]} instead of "
                f"{shared[key]}; run all of them alike"
            )
    shared.setdefault("versions", found["versions"])


def _other_versions(versions: Mapping, shared: Mapping) -> dict:
    """Of a run with others than the first."""
    return {} if versions == shared["versions"] else {"versions": versions}


def _of_domains(
    datasets: Sequence[dict], domains: Sequence[str], tested: Sequence[str]
) -> list[dict]:
    """Without those of the domains that were tested too and are not compared."""
    others = set(tested).difference(domains)
    return [dataset for dataset in datasets if dataset["name"] not in others]


def _scored(run: Run, shared: dict[str, Any]) -> dict:
    domains = run.read_scores().domains
    # a run that is shared may have been tested on more
    stamps = [s for s in counted_stamps(run.folder) if domains.keys() & s["domains"].keys()]
    last = stamps[-1]
    tested = [name for stamp in stamps for name in stamp["domains"]]
    found = {
        "metric": last["metric"],
        "domains": list(domains),
        "image_size": last["image_size"],
        "test_time_augmentation": last["test_time_augmentation"],
        "versions": last["versions"],
        "datasets": _of_domains(_datasets(stamps), list(domains), tested),
    }
    _check_alike(run, found, shared)
    classes: dict[str, dict] = {}
    distances: dict[str, dict] = {}
    for stamp in stamps:
        classes |= class_scores(stamp)
        distances |= {name: d for name, d in stamp.get("style_distance", {}).items() if d}
    weights = last["checkpoint"]
    return {
        "checkpoint": {"sha256": weights["sha256"], "iteration": weights["iteration"]},
        "time": last["time"],
        "scores": domains,
        "classes": {name: classes[name] for name in domains if classes.get(name)},
        "distances": {name: distances[name] for name in domains if name in distances},
        "curves": read_curves(run.folder),
        **_other_versions(found["versions"], shared),
    }


def class_scores(stamp: dict) -> dict[str, dict[str, float]]:
    """Of each domain of a stamp the classes' scores, by the stamp's metric, in percent.

    A class has none where the evaluator had nothing to score, as when nothing was detected.
    """
    metric = stamp["metric"].removeprefix("m")  # the classes' IoU of a mIoU
    found = {}
    for domain in stamp["domains"]:
        scores, prefix = stamp["scores"], f"{domain}/"  # MMEngine's, of all domains
        if "bbox" in scores:  # Detectron2's, of this one
            scores, prefix = scores["bbox"], ""
        names = dict.fromkeys(name for part in stamp["datasets"] for name in part["classes"])
        keys = {name: f"{prefix}{metric}-{name}" for name in names}
        found[domain] = {name: scores[key] for name, key in keys.items() if key in scores}
    return found


def _datasets(stamps: Sequence[dict]) -> list[dict]:
    """What the stamps say of each dataset, but for where it lies."""
    local = ("folder", "annotations", "json_file")
    found = {
        dataset["name"]: {key: value for key, value in dataset.items() if key not in local}
        for stamp in stamps
        for dataset in stamp["datasets"]
    }
    return list(found.values())


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
