"""The figures of a kept comparison: means, spreads, gains paired by seed, and their intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments import baseline_of
from shared_words import in_short

from snr_plugins.results import half_width

UNSEEN = "mean of the unseen"  # in the place of a domain: each seed's mean over all but the source
BASELINES = (
    "plain",
    "instance_norm",
    "snr_no_loss",
    "plain_photometric",
)  # arms that gains are over

Seeds = dict[int, float]  # seed to score, in percent


class Mean(NamedTuple):
    """A mean of ``count`` seeds; ``around`` is a deviation or half of an interval, None of one."""

    value: float
    around: float | None
    count: int

    def shown(self, form: str = ".1f") -> str:
        """The mean, formatted by ``form``, and what is around it, if that is known."""
        around = "" if self.around is None else f" ± {self.around:.1f}"
        return f"{self.value:{form}}{around}"

    @property
    def leaves_zero_out(self) -> bool:
        """Of a difference: whether its interval is known and lies on one side of zero."""
        return self.around is not None and abs(self.value) > self.around


class Baseline(NamedTuple):
    """What gains are over: ``of`` holds each arm that has run and the one it is compared with."""

    title: str
    of: Mapping[str, str]


def baselines_of(record: Mapping) -> list[Baseline]:
    """Those of the plan, or the usual ones, as far as they have run."""
    found = []
    for words in record.get("baselines") or BASELINES:
        pairs = {arm: baseline_of(words, arm) for arm in arms_of(record)}
        pairs = {arm: it for arm, it in pairs.items() if it != arm and finished(record, it)}
        if pairs:
            found.append(Baseline(_title(record, words, next(iter(pairs.values()))), pairs))
    return found


def _title(record: Mapping, words: str, arm: str) -> str:
    """Of a baseline: the arm's, or what its ``words`` leave open."""
    title = record["arms"][arm]["title"]
    method, _, form = title.rpartition(": ")  # as tools/plans.py writes it; no arm's has a colon
    if "{arm}" in words:
        return f"{method}, the same arm"
    return f"{form}, the same method" if "{method}" in words else title


def domains_of(record: Mapping) -> list[str]:
    """The domains that were tested and, where there are several unseen ones, their mean."""
    several = len(unseen_of(record)) > 1
    return [*record["domains"], *([UNSEEN] if several else [])]


def unseen_of(record: Mapping) -> list[str]:
    return [domain for domain in record["domains"] if domain != record["source"]]


def targets_of(record: Mapping) -> dict[str, Mapping]:
    """Datasets that arms were adapted to, without labels, and what the stamps say of them."""
    runs = [run for arm in record["arms"] for run in finished(record, arm)]
    said = [run.get("adaptation", {}).get(d) for run in runs for d in unseen_of(record)]
    return {adaptation["target"]: adaptation for adaptation in said if adaptation}


def word_for_unseen(record: Mapping) -> str:
    """What a table calls the domains that are not the source: adapted to, they were not unseen."""
    return "unlabelled" if targets_of(record) else "unseen"


def short_names(record: Mapping) -> dict[str, str]:
    """Domains as a reader wants them, without the words that all share at either end.

    Example:
        >>> domains = ["city_clear_val", "city_foggy_beta_0.02_val"]
        >>> record = {"domains": domains, "source": None, "arms": {}}
        >>> list(short_names(record).values())
        ['clear', 'foggy beta 0.02', 'mean of the unseen']
    """
    domains = record["domains"]
    short = [name.replace("_", " ") for name in in_short(domains)]
    mean = UNSEEN.replace("unseen", word_for_unseen(record))
    return {**dict(zip(domains, short, strict=True)), UNSEEN: mean}


def finished(record: Mapping, arm: str) -> list[dict]:
    """The runs of an arm that have scores; none of an arm that is not there."""
    runs = record["arms"].get(arm, {"runs": []})["runs"]
    return [run for run in runs if run["status"] == "finished"]


def arms_of(record: Mapping) -> dict[str, str]:
    """Arms with scores, word to title."""
    return {word: arm["title"] for word, arm in record["arms"].items() if finished(record, word)}


def scores(record: Mapping, arm: str, domain: str) -> Seeds:
    """Each seed's score on a domain, or on UNSEEN."""
    domains = unseen_of(record) if domain == UNSEEN else [domain]
    return {
        run["seed"]: statistics.fmean(number(run["scores"][name]) for name in domains)
        for run in finished(record, arm)
    }


def class_scores(record: Mapping, arm: str, domain: str, name: str) -> Seeds:
    """Each seed's score of a class; seeds without one are left out."""
    found = {run["seed"]: run["classes"].get(domain, {}) for run in finished(record, arm)}
    return {seed: number(classes[name]) for seed, classes in found.items() if name in classes}


def classes_of(record: Mapping) -> list[str]:
    """Every class that has a score somewhere, in the order of the dataset."""
    runs = [run for arm in record["arms"] for run in finished(record, arm)]
    scored = {name for run in runs for classes in run["classes"].values() for name in classes}
    known = dict.fromkeys(name for dataset in record["datasets"] for name in dataset["classes"])
    return [name for name in known if name in scored]


def number(value: float | None) -> float:
    """A kept score: null is not a number."""
    return math.nan if value is None else value


def spread(seeds: Seeds) -> Mean | None:
    """Mean and standard deviation over seeds (of a sample, n - 1); None without any."""
    values = list(seeds.values())
    if not values:
        return None
    mean, deviation = statistics.fmean(values), None
    if len(values) > 1:
        deviation = math.nan if math.isnan(mean) else statistics.stdev(values)
    return Mean(mean, deviation, len(values))


def paired(seeds: Seeds, others: Seeds) -> Mean | None:
    """The mean difference over the seeds that both have, and half of its 95 % interval.

    By Student's t; None without a common seed.
    """
    differences = [seeds[seed] - others[seed] for seed in seeds if seed in others]
    if not differences:
        return None
    return Mean(statistics.fmean(differences), half_width(differences), len(differences))


def gain(record: Mapping, arm: str, baseline: str, domain: str) -> Mean | None:
    """What an arm scores more than another on a domain, paired by seed."""
    return paired(scores(record, arm, domain), scores(record, baseline, domain))


def class_gain(record: Mapping, arm: str, baseline: str, domain: str, name: str) -> Mean | None:
    """The same of one class."""
    ours, theirs = (class_scores(record, word, domain, name) for word in (arm, baseline))
    return paired(ours, theirs)


def drop(record: Mapping, arm: str, domain: str) -> Mean | None:
    """What an arm loses from the source to a domain, paired by seed; None without a source.

    Of joined comparisons the source's score is that of the runs that held the domain out.
    """
    source = record["source"]
    if source is None:
        return None
    seen = {
        run["seed"]: number(run.get("from", {}).get(domain, run["scores"][source]))
        for run in finished(record, arm)
    }
    return paired(scores(record, arm, domain), seen)


def distances(record: Mapping, arm: str) -> dict[str, dict[str, float]]:
    """Domain, layer: the mean over seeds of the images' median style distance d / t."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in finished(record, arm):
        for domain in record["domains"]:
            for layer, value in run["distances"].get(domain, {}).items():
                found.setdefault(domain, {}).setdefault(layer, []).append(number(value))
    return {
        domain: {layer: statistics.fmean(values) for layer, values in layers.items()}
        for domain, layers in found.items()
    }


def mean_curve(runs: Sequence[Mapping], name: str) -> list[tuple[int, float]]:
    """(iteration, mean over the runs) of a curve; of iterations that all of them have."""
    curves = [run["curves"][name] for run in runs if name in run["curves"]]
    points = [dict(zip(c["iterations"], c["values"], strict=True)) for c in curves]
    common = [at for at in points[0] if all(at in other for other in points)] if points else []
    return [
        (at, statistics.fmean(number(seed[at]) for seed in points))
        for at in common
        if all(seed[at] is not None for seed in points)
    ]
