"""All that is kept as one HTML page: no script, no font, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import charts
import jinja2
import tables
from arms import ARMS
from figures import (
    Mean,
    arms_of,
    baselines_of,
    class_gain,
    classes_of,
    distances,
    domains_of,
    drop,
    finished,
    gain,
    mean_curve,
    scores,
    short_names,
    spread,
    word_for_unseen,
)
from markupsafe import Markup

TEMPLATE = Path(__file__).with_name("page.html.jinja")
ENTROPIES = ("enhanced", "normalised", "contaminated")


def page_of(records: Sequence[Mapping], published: Sequence[Mapping]) -> str:
    """The page of kept comparisons and of what others published."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    template = environment.from_string(TEMPLATE.read_text())
    known = {arm for record in records for arm in record["arms"]}
    # an arm has one colour in all comparisons
    colours = {arm: index for index, arm in enumerate(sorted(known, key=_place))}
    views = [_view(record, colours) for record in records]
    return template.render(comparisons=views, published=published)


def _place(arm: str) -> tuple:
    """As in the table of arms; an arm that has gone from it comes last."""
    words = list(ARMS)
    return (words.index(arm), "") if arm in ARMS else (len(words), arm)


def _view(record: Mapping, colours: Mapping[str, int]) -> dict:
    """What the template shows of one comparison."""
    arms, short, domains = record["arms"], short_names(record), domains_of(record)
    rows = _table(record, domains)
    return {
        "record": record,
        "nan": tables.NAN if any("nan" in mean for _, row in rows for mean, _ in row) else "",
        "short": short,
        "seen_by": tables.seen_by(record),
        "unseen": word_for_unseen(record),
        "legend": [(title, colours[arm]) for arm, title in arms_of(record).items()],
        "scores": _scores(record, domains, colours),
        "gains": [
            {"title": title, "panels": _gains(record, of, domains, colours)}
            for title, of in baselines_of(record)
        ],
        "table": rows,
        "drops": _drops(record, domains),
        "classes": [_classes(record, arm) for arm in arms_of(record) if arm != "plain"]
        if finished(record, "plain") and classes_of(record)
        else [],
        "distances": [_distances(record, arm) for arm in arms if distances(record, arm)],
        "loss": _loss(record, colours),
        "entropies": _entropies(record),
        "failures": [
            (arm["title"], run) for arm in arms.values() for run in arm["runs"]
            if run["status"] == "failed"
        ],
        "runs": [(arm["title"], run) for arm in arms.values() for run in arm["runs"]],
    }  # fmt: skip


def _scores(record: Mapping, domains: Sequence[str], colours: Mapping[str, int]) -> list:
    """(domain, chart), all on one scale."""
    short = short_names(record)
    panels = {
        domain: [
            (arm["title"], colours[word], spread(scores(record, word, domain)))
            for word, arm in record["arms"].items()
        ]
        for domain in domains
    }
    _, longest = charts.limits([mean for rows in panels.values() for _, _, mean in rows])
    return [(short[d], Markup(charts.bars(rows, longest))) for d, rows in panels.items()]


def _gains(
    record: Mapping, of: Mapping[str, str], domains: Sequence[str], colours: Mapping[str, int]
) -> list:
    """(domain, chart) of the gains of arms over the ones they belong to, all on one scale."""
    short, titles = short_names(record), arms_of(record)
    panels = {
        domain: [
            (titles[word], colours[word], gain(record, word, baseline, domain))
            for word, baseline in of.items()
        ]
        for domain in domains
    }
    low, high = charts.limits([mean for rows in panels.values() for _, _, mean in rows])
    return [(short[d], Markup(charts.gains(rows, low, high))) for d, rows in panels.items()]


def _table(record: Mapping, domains: Sequence[str]) -> list:
    """(arm, cells) with each seed's score behind the mean."""
    rows = []
    for word, arm in record["arms"].items():
        cells = []
        for domain in domains:
            known = scores(record, word, domain)
            seeds = [
                f"{known[run['seed']]:.1f}" if run["seed"] in known else "failed"
                for run in arm["runs"]
            ]
            mean = spread(known)
            cells.append((_plain(mean), ", ".join(seeds)))
        rows.append((arm["title"], cells))
    return rows


def _drops(record: Mapping, domains: Sequence[str]) -> dict | None:
    if record["source"] is None or len(domains) == 1:
        return None
    short = short_names(record)
    others = [domain for domain in domains if domain != record["source"]]
    return {
        "source": short[record["source"]],
        "domains": [short[domain] for domain in others],
        "rows": [
            (title, [(_signed(drop(record, word, domain))[0], "") for domain in others])
            for word, title in arms_of(record).items()
        ],
    }


def _classes(record: Mapping, arm: str) -> dict:
    domains, short = record["domains"], short_names(record)
    return {
        "title": record["arms"][arm]["title"],
        "domains": [short[domain] for domain in domains],
        "rows": [
            (name, [_signed(class_gain(record, arm, "plain", d, name)) for d in domains])
            for name in classes_of(record)
        ],
    }


def _distances(record: Mapping, arm: str) -> dict:
    found, short = distances(record, arm), short_names(record)
    return {
        "title": record["arms"][arm]["title"],
        "layers": [tables.layer_name(layer) for layer in next(iter(found.values()))],
        "rows": [(short[d], [f"{v:.2f}" for v in values.values()]) for d, values in found.items()],
    }


def _loss(record: Mapping, colours: Mapping[str, int]) -> Markup:
    titles = arms_of(record)
    curves = {title: mean_curve(finished(record, arm), "loss") for arm, title in titles.items()}
    of_titles = {title: colours[arm] for arm, title in titles.items()}
    return Markup(charts.lines(curves, of_titles, "loss, mean over seeds"))


def _entropies(record: Mapping) -> list:
    """(arm, [(stage, chart) ...]) of arms with the restitution loss."""
    found = []
    for word, title in arms_of(record).items():
        runs = finished(record, word)
        names = dict.fromkeys(name for run in runs for name in run["curves"])
        stages = dict.fromkeys(name.rpartition("/")[0] for name in names if "/" in name)
        panels = []
        for stage in stages:
            curves = {kind: mean_curve(runs, f"{stage}/{kind}") for kind in ENTROPIES}
            order = dict(zip(ENTROPIES, (2, 0, 1), strict=True))
            panels.append((stage, Markup(charts.lines(curves, order, "nats"))))
        if panels:
            found.append((title, panels))
    return found


def _plain(mean: Mean | None) -> str:
    if mean is None:
        return "failed"
    return mean.shown()


def _signed(mean: Mean | None) -> tuple[str, str]:
    """A gain in words and the class of its cell: up, down or none where zero is inside."""
    if mean is None:
        return "", ""
    if not mean.leaves_zero_out:
        return mean.shown("+.1f"), ""
    return mean.shown("+.1f"), "up" if mean.value > 0 else "down"
