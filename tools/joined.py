"""Comparisons that make one table together: one domain held out in each.

Experiments with the same ``joined`` in their plan are runs of one config that differ in the domain
that is held out. In their table each unseen domain has the score of the runs that held it out, the
mean of the unseen is the one that papers give, and the source's column is the mean over those runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from figures import mean_curve, number, unseen_of
from records import BY_DOMAIN

from snr_plugins.errors import InputError

ALIKE = ("config", "metric", "source", "image_size", "test_time_augmentation")


def join(records: Sequence[Mapping]) -> list[Mapping]:
    """``records`` with those of one ``joined`` as one record, in the place of the first.

    An arm has the seeds that have ended in all of them; one that has failed in one has failed.

    Raises:
        InputError: what is to be joined differs in more than the unseen domain, or has the same.
    """
    groups: dict[str, list[Mapping]] = {}
    for record in records:
        groups.setdefault(record.get("joined") or record["name"], []).append(record)
    return [
        _joined(name, parts) if parts[0].get("joined") else parts[0]
        for name, parts in groups.items()
    ]


def _joined(name: str, parts: Sequence[Mapping]) -> dict:
    first = parts[0]
    for part in parts:
        for key in ALIKE:
            if part[key] != first[key]:
                raise InputError(
                    f"{part['name']} differs from {first['name']} in {key}: {part[key]} instead of "
                    f"{first[key]}; only the domain that is held out may differ in {name}"
                )
    unseen = [domain for part in parts for domain in unseen_of(part)]
    twice = next((domain for domain in unseen if unseen.count(domain) > 1), None)
    if twice is not None:
        raise InputError(f"{name}: {twice} is held out in two of the joined comparisons")
    source = [] if first["source"] is None else [first["source"]]
    arms = {
        arm: _arm(parts, arm) for arm in first["arms"] if all(arm in part["arms"] for part in parts)
    }
    return {
        **first,
        "name": name,
        "parts": [part["name"] for part in parts],
        "domains": [*unseen, *source],
        "datasets": [d for part in parts for d in part["datasets"] if d["name"] in unseen],
        "arms": {arm: content for arm, content in arms.items() if content["runs"]},
    }


def _arm(parts: Sequence[Mapping], arm: str) -> dict:
    first = parts[0]["arms"][arm]
    by_seed = [{run["seed"]: run for run in part["arms"][arm]["runs"]} for part in parts]
    seeds = [seed for seed in by_seed[0] if all(seed in runs for runs in by_seed)]
    return {**first, "runs": [_run(parts, [runs[seed] for runs in by_seed]) for seed in seeds]}


def _run(parts: Sequence[Mapping], runs: Sequence[Mapping]) -> dict:
    """One seed of one arm: what its runs, one for each unseen domain, found."""
    first = runs[0]
    about: dict[str, Any] = {
        "seed": first["seed"],
        "command": first["command"],
        "commit": ", ".join(sorted({run["commit"] or "unknown" for run in runs})),
        "seconds": sum(run["seconds"] for run in runs),
    }
    failed = next((run for run in runs if run["status"] == "failed"), None)
    if failed is not None:
        return {**about, "status": "failed", "error": failed["error"]}
    source = parts[0]["source"]
    found: dict[str, dict] = {
        key: {
            domain: run[key][domain]
            for part, run in zip(parts, runs, strict=True)
            for domain in unseen_of(part)
            if domain in run.get(key, {})
        }
        for key in BY_DOMAIN
    }
    if source is not None:
        of_source = [run["scores"][source] for run in runs]
        found["scores"][source] = statistics.fmean(map(number, of_source))
        # what each unseen domain's own runs score there
        found["from"] = {
            domain: score
            for part, score in zip(parts, of_source, strict=True)
            for domain in unseen_of(part)
        }
        found["classes"][source] = _mean_classes([run["classes"].get(source, {}) for run in runs])
    curves = {}
    for name in first["curves"]:
        points = mean_curve(runs, name)
        if points:
            iterations, values = zip(*points, strict=True)
            curves[name] = {"iterations": iterations, "values": values}
    return {**about, "status": "finished", **found, "curves": curves}


def _mean_classes(runs: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Each class that all runs have scored."""
    common = [name for name in runs[0] if all(name in run for run in runs)]
    return {name: statistics.fmean(number(run[name]) for run in runs) for name in common}
