"""From the runs of an experiment, and what was kept of them before, to what is kept of it.

What that is, and its form, stands in tools/records.py.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curves import read_curves
from experiments import Experiment
from records import BY_DOMAIN, neutral
from runs import Run

from snr_plugins.errors import InputError
from snr_plugins.results import counted_stamps

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
        InputError: no run has finished; runs differ in what was tested and how, or those of an
            arm in the network; or ``source`` was not tested.
    """
    by_name = {record["name"]: record for record in earlier}
    shared: dict[str, Any] = {}
    arms: dict[str, dict] = {
        word: {"title": row.title, "network": None, "runs": []}
        for word, row in experiment.rows.items()
    }
    for run in runs:
        status = run.record["status"]
        earlier_run = None if status == "finished" else _kept_before(run, by_name, shared)
        # what has failed here may have finished elsewhere
        if earlier_run and (status != "failed" or earlier_run["status"] == "finished"):
            kept, network = earlier_run, _home(run, by_name).get("network")
        elif status in ("finished", "failed"):
            kept = _kept(run, shared, commit)
            network = kept.pop("network", None)  # the arm's, once for all of its runs
        else:
            continue
        arm = arms[run.word]
        arm["runs"].append(kept)
        arm["network"] = _one_network(run, network, arm["network"])
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


def _one_network(run: Run, network: dict | None, others: dict | None) -> dict | None:
    """The arm's; a default that has moved between two of its runs must not pass unseen."""
    if network is None or others is None or network == others:
        return others if network is None else network
    name = next(key for key in (*others, *network) if others.get(key) != network.get(key))
    raise InputError(
        f"{run.name} has another network inside than earlier runs of {run.word}: {name} is "
        f"{network.get(name)}, and was {others.get(name)}; run all of its seeds with one version "
        "of the package, or give one of them an arm of its own"
    )


def _home(run: Run, earlier: Mapping[str, Mapping]) -> Mapping:
    """What was kept of the run's arm, in its own experiment or the one that it shares with."""
    name, row = run.experiment.home(run.word)
    return earlier.get(name, {"arms": {}})["arms"].get(row, {"runs": []})


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
    """The same run in an earlier record."""
    runs, command = _home(run, earlier)["runs"], _command(run)
    old = next((one for one in runs if (one["seed"], one["command"]) == (run.seed, command)), None)
    if old is None or old["status"] == "failed":
        return old
    record = earlier[run.experiment.home(run.word)[0]]
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
        for key in BY_DOMAIN
        if key in old
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
    adaptation: dict[str, dict] = {}
    for stamp in stamps:
        classes |= class_scores(stamp)
        if "adaptation" in stamp:
            adaptation |= dict.fromkeys(stamp["domains"], stamp["adaptation"])
        distances |= {name: d for name, d in stamp.get("style_distance", {}).items() if d}
    weights = last["checkpoint"]
    return {
        "checkpoint": {"sha256": weights["sha256"], "iteration": weights["iteration"]},
        "time": last["time"],
        "network": last.get("network"),
        "scores": domains,
        "classes": {name: classes[name] for name in domains if classes.get(name)},
        "distances": {name: distances[name] for name in domains if name in distances},
        **({"adaptation": adaptation} if adaptation else {}),
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
