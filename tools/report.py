"""Turn finished comparisons into kept JSON, the tables of docs/results.md and a page to open.

    python tools/report.py [PLAN.yaml ...] [--runs output/compare] [--page output/results.html]

For each experiment of the plans the stamps and logs of its runs below --runs (where
tools/compare.py left them) become benchmarks/results/comparisons/NAME.json; a run that is not below
--runs stays there as it was kept, so that several machines can share a plan. Then all that is kept
there is written anew into the marked blocks of docs/results.md, whose prose stays as it is, and
into one HTML page that needs nothing else and no network. Without a plan nothing new is read:
tables and page are made of what is kept.

A run that has failed stands as failed; a seed that only one of two arms has takes no part in their
gain. Numbers that others published come from benchmarks/published.yaml, in tables of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from gathered import record_of
from joined import join
from page import page_of
from plans import read_plan
from records import RECORDS, read_records, write_record
from runs import ROOT, runs_of
from tables import comparison, published, with_blocks

from snr_plugins.data.files import write_whole
from snr_plugins.errors import InputError

PUBLISHED = ROOT / "benchmarks" / "published.yaml"
DOCS = ROOT / "docs" / "results.md"


def main() -> None:
    args = parse()
    try:
        for plan in args.plans:
            keep(plan, args.runs, args.records, args.commit)
        for path in write(args.records, args.docs, args.page):
            print(path)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror}; choose another place")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plans", nargs="*", type=Path, metavar="PLAN", help="plans that have run")
    parser.add_argument("--runs", type=Path, default=Path("output/compare"))
    parser.add_argument("--commit", help="of runs that did not note theirs")
    parser.add_argument("--page", type=Path, default=Path("output/results.html"))
    parser.add_argument("--records", type=Path, default=RECORDS, help="folder of what is kept")
    parser.add_argument("--docs", type=Path, default=DOCS, help="Markdown with marked blocks")
    return parser.parse_args()


def keep(plan: Path, runs: Path, records: Path, commit: str | None) -> None:
    """Read the runs of a plan and keep what the report needs."""
    experiments = read_plan(plan)
    found = runs_of(experiments, runs)
    earlier = read_records(records)
    for experiment in experiments:
        own = [run for run in found if run.experiment is experiment]
        record = record_of(experiment, own, plan.resolve(), commit, earlier)
        if gone := _not_kept(record, earlier):
            print(
                f"{experiment.name}: kept before and no longer, as this plan has not the same "
                f"runs: {', '.join(gone)}"
            )
        print(write_record(record, records))


def _not_kept(record: dict, earlier: Sequence[dict]) -> list[str]:
    """Finished runs of the same experiment that its new record leaves out."""
    before = next((old for old in earlier if old["name"] == record["name"]), {"arms": {}})
    kept = {
        (word, run["seed"], run["command"])
        for word, arm in record["arms"].items()
        for run in arm["runs"]
    }
    return [
        f"{word}, seed {run['seed']}"
        for word, arm in before["arms"].items()
        for run in arm["runs"]
        if run["status"] == "finished" and (word, run["seed"], run["command"]) not in kept
    ]


def write(records: Path, docs: Path, page: Path) -> Sequence[Path]:
    """Write the blocks of ``docs`` and the page from all that is kept; both paths."""
    kept = join(read_records(records))
    theirs = yaml.safe_load(PUBLISHED.read_text()) if PUBLISHED.is_file() else []
    try:
        text = docs.read_text()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{docs} is no text: create it, empty, or give another --docs") from None
    write_whole(docs, generated(text, kept, theirs).encode())
    page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, page_of(kept, theirs).encode())
    return docs, page


def generated(text: str, records: Sequence[dict], theirs: Sequence[dict]) -> str:
    """The Markdown page with its blocks written anew.

    Raises:
        InputError: see `tables.with_blocks`.
    """
    blocks = {record["name"]: (record["title"], comparison(record)) for record in records}
    if theirs:
        blocks["published"] = ("Published by others", published(theirs))
    return with_blocks(text, blocks)


if __name__ == "__main__":
    main()
