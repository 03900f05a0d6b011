"""A kept comparison as Markdown, and the marked blocks of a page that hold it.

A block is what lies between ``<!-- report: NAME -->`` and ``<!-- end of report: NAME -->``. The
rest of the page is prose, which is never touched; a comparison without a block gets one at the end,
with its title over it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

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
    scores,
    short_names,
    spread,
    targets_of,
    word_for_unseen,
)

from snr_plugins.errors import InputError

NAN = (
    "nan: not a number. The evaluator has no AP50 where not a single box was found, and a class no "
    "score where the domain has none of it; such a seed makes its mean nan too."
)


def with_blocks(page: str, blocks: Mapping[str, tuple[str, str]]) -> str:
    """``page`` with every block written anew.

    Args:
        page: Markdown.
        blocks: name to title and content.

    Raises:
        InputError: a block has no end, or no comparison belongs to it any more.
    """
    names = re.findall(r"^<!-- report: ([\w.-]+) -->$", page, re.MULTILINE)
    for name in names:
        if name not in blocks:
            raise InputError(f"there is no comparison for the block '{name}': remove the block")
    for name, (title, content) in blocks.items():
        begin, end = f"<!-- report: {name} -->", f"<!-- end of report: {name} -->"
        block = f"{begin}\n\n{content.strip()}\n\n{end}"
        if name not in names:
            page = f"{page.rstrip()}\n\n## {title}\n\n{block}\n"
            continue
        before, _, rest = page.partition(begin)
        inside, found, after = rest.partition(end)
        if not found or "<!-- report:" in inside:
            raise InputError(f"the block '{name}' has no end: write {end} behind it")
        page = before + block + after
    return page


def comparison(record: Mapping) -> str:
    """Everything of one comparison that fits on a page of text."""
    short = short_names(record)
    domains = domains_of(record)
    source = record["source"]
    metric = record["metric"]
    others = [short[d] for d in record["domains"] if d != source]
    unseen = word_for_unseen(record)
    parts = [
        f"{metric}, in percent: mean ± standard deviation over seeds (their number). "
        f"{seen_by(record)}",
        table(record, metric, record["arms"], domains, lambda arm, d: _score(record, arm, d)),
    ]
    for title, of in baselines_of(record):
        parts += [
            f"Gain over {title}, paired by the seeds that both have, with the 95 % interval of "
            "Student's t (number of pairs); bold where that leaves zero out:",
            table(
                record,
                f"over {title}",
                of,
                domains,
                lambda arm, d, of=of: _signed(gain(record, arm, of[arm], d)),
            ),
        ]
    if source and others:
        parts += [
            f"From {short[source]} to each {unseen} domain, paired within each run, with the same "
            "interval:",
            table(
                record,
                f"from {short[source]}",
                arms_of(record),
                [domain for domain in domains if domain != source],
                lambda arm, domain: _signed(drop(record, arm, domain), bold=False),
            ),
        ]
    parts += [*_per_class(record), *_distances(record), *_failures(record)]
    text = "\n\n".join(parts)
    if re.search(r"\bnan\b", text):
        text += f"\n\n{NAN}"
    return f"{text}\n\n{_origin(record)}"


def seen_by(record: Mapping) -> str:
    """What training has seen, with its labels or without, in sentences."""
    short, source, unseen = short_names(record), record["source"], word_for_unseen(record)
    others = [short[d] for d in record["domains"] if d != source]
    targets = [
        f"{name} ({said['target_images']} images, {said['test_images_among_them'] or 'none'} of "
        "them tested)"
        for name, said in targets_of(record).items()
    ]
    return (
        f"{'Labelled' if targets else 'Seen'} in training: "
        f"{short[source] if source else 'none of these'}; {unseen}: {', '.join(others) or 'none'}."
        + (f" What adapts was trained on, without labels: {', '.join(targets)}." if targets else "")
        + _joined(record)
    )


def _joined(record: Mapping) -> str:
    """Of a table of several comparisons: which of their runs a column is of."""
    if "parts" not in record:
        return ""
    mean = ""
    if record["source"]:
        mean = f", {short_names(record)[record['source']]} is the mean over them"
    return f" Each {word_for_unseen(record)} domain has runs of its own{mean}."


def table(
    record: Mapping,
    corner: str,
    arms: Iterable[str],
    domains: Sequence[str],
    cell: Callable[[str, str], str],
) -> str:
    """A row for each arm and a column for each domain."""
    short = short_names(record)
    rows = [
        [record["arms"][arm]["title"], *(cell(arm, domain) for domain in domains)] for arm in arms
    ]
    return rows_of([corner, *(short[domain] for domain in domains)], rows)


def rows_of(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _score(record: Mapping, arm: str, domain: str) -> str:
    mean = spread(scores(record, arm, domain))
    if mean is None:
        return "failed"
    failed = len(record["arms"][arm]["runs"]) - mean.count
    return f"{mean.shown()} ({mean.count}{f', {failed} failed' if failed else ''})"


def _signed(mean: Mean | None, bold: bool = True) -> str:
    """A difference; ``bold`` where its interval leaves zero out."""
    if mean is None:
        return "no pair"
    text = mean.shown("+.1f")
    return f"{f'**{text}**' if bold and mean.leaves_zero_out else text} ({mean.count})"


def _per_class(record: Mapping) -> list[str]:
    """The gains over plain of each class, of the last arm: in a plan, the one that it is about."""
    arm = next(reversed(arms_of(record)), "plain")
    names = classes_of(record)
    if arm == "plain" or not (names and finished(record, "plain")):
        return []
    short = short_names(record)
    header = [record["metric"], *(short[domain] for domain in record["domains"])]
    rows = [
        [name, *(_signed(class_gain(record, arm, "plain", d, name)) for d in record["domains"])]
        for name in names
    ]
    title = record["arms"][arm]["title"]
    return [f"Class by class, the gain of {title} over plain:", rows_of(header, rows)]


def _distances(record: Mapping) -> list[str]:
    """The style distances of the last arm that has any."""
    for arm in reversed(record["arms"]):
        found = distances(record, arm)
        if found:
            short, layers = short_names(record), list(next(iter(found.values())))
            rows = [
                [short[domain], *(f"{values.get(layer, math.nan):.2f}" for layer in layers)]
                for domain, values in found.items()
            ]
            title = record["arms"][arm]["title"]
            return [
                f"Median style distance d / t of {title}, mean over seeds; 98 % of the source lies "
                "below 1:",
                rows_of(["", *map(layer_name, layers)], rows),
            ]
    return []


def layer_name(layer: str) -> str:
    """``backbone.bottom_up.res2.snr`` as ``res2``."""
    words = [word for word in layer.split(".") if word not in ("snr", "backbone", "bottom_up")]
    return ".".join(words) or layer


def _failures(record: Mapping) -> list[str]:
    lines = [
        f"- {arm['title']}, seed {run['seed']}: {run['error']}"
        for arm in record["arms"].values()
        for run in arm["runs"]
        if run["status"] == "failed"
    ]
    return ["Failed, and in no mean:", "\n".join(lines)] if lines else []


def _origin(record: Mapping) -> str:
    """Data, versions and the commands that run any row again."""
    sets = "; ".join(
        f"{d['name']}: {d['images']} images" + (f", {d['boxes']} boxes" if "boxes" in d else "")
        for d in record["datasets"]
    )
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    runs = [run for arm in record["arms"].values() for run in arm["runs"]]
    # of a joined run several
    commits = sorted({one for run in runs for one in (run["commit"] or "unknown").split(", ")})
    commands = [f"    {record['command']}    # all of it"]
    for arm in record["arms"].values():
        run = arm["runs"][0]
        commands.append(f"    {run['command']}    # {arm['title']}, seed {run['seed']}")
    files = [
        f"`benchmarks/results/comparisons/{name}.json`"
        for name in record.get("parts", [record["name"]])
    ]
    return "\n\n".join(
        [
            f"Tested on {sets}; image size {record['image_size']}; test-time augmentation "
            f"{record['test_time_augmentation']}. {versions}; commit {', '.join(commits)}. Every "
            f"run, its scores and curves: {', '.join(files)}.",
            "To run it again, whole or a row of it (another seed is another number behind SEED or "
            "randomness.seed):",
            "\n".join(commands),
        ]
    )


def published(entries: Sequence[Mapping]) -> str:
    """The tables of other people's numbers; see ``benchmarks/published.yaml``."""
    parts = []
    for entry in entries:
        rows = [[str(cell) for cell in row] for row in entry["rows"]]
        parts += [
            f"**{entry['title']}.** {entry['note']} Source: {entry['source']}.",
            rows_of(list(map(str, entry["columns"])), rows),
        ]
    return "\n\n".join(parts)
