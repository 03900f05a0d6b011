"""How the scores of several seeds become a table with intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from snr_plugins.errors import InputError
from snr_plugins.results.stamps import Scores

# Two-sided 95 % of Student's t for 1 to 29 degrees of freedom
T_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045),
)


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
