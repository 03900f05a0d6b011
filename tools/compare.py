"""Train arms of one config or many over several seeds and print the tables.

    python tools/compare.py PLAN.yaml [--seeds 1 2] [--jobs N] [--threads N] [--out output/compare]
    python tools/compare.py CONFIG --arms plain instance_norm snr [--seeds 1 2 3]
        [--options KEY=VALUE ...] [--targets NAME ...] [--jobs N] ...

A plan names configs, arms, seeds, options and targets: tools/plans.py has an example, tools/arms.py
the arms. With --seeds only these of a plan's are run, as on one of several machines. Each arm and
seed is one run of tools/train.py, by the framework's own trainer, in a folder of its own,
OUT/NAME/ARM_SEED. Started again with the same arguments it goes on: what has finished is not run
again, what was killed or has failed starts anew. A run that fails stands in the table as failed and
the others go on; the exit status is then 1.

Scores are those of the stamps, on the screen as mean, each seed's and the gain over plain: gains
are paired by seed, with the 95 % interval of Student's t.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from arms import ARMS
from children import LOG, run_all
from experiments import Experiment, baseline_of
from plans import experiment_of, read_plan
from runs import Run, runs_of

from snr_plugins.data.output import sole_user
from snr_plugins.errors import InputError
from snr_plugins.results import Scores, table


def main() -> None:
    args = parse()
    try:
        failed = compare(plan_of(args), args.out, args.jobs, args.threads)
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(1 if failed else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plan", help="a plan; with --arms a config, the plain form")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help=", ".join(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, help="of a plan; with --arms 1 2 3")
    parser.add_argument("--options", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--targets", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="of each run")
    parser.add_argument("--out", type=Path, default=Path("output/compare"))
    args = parser.parse_args()
    if min(args.jobs, args.threads) < 1:
        parser.error("--jobs and --threads must be at least 1")
    return args


def plan_of(args: argparse.Namespace) -> list[Experiment]:
    if args.arms:
        seeds = args.seeds or [1, 2, 3]
        return [experiment_of(args.plan, args.arms, seeds, args.options, args.targets)]
    if args.options or args.targets:
        raise InputError("--options and --targets go with --arms; a plan holds its own")
    if args.plan.endswith(".py"):
        raise InputError(f"{args.plan} is a config: say which --arms of it to train")
    experiments = read_plan(Path(args.plan))
    if args.seeds:
        experiments = [only(experiment, args.seeds) for experiment in experiments]
    return experiments


def only(experiment: Experiment, seeds: Sequence[int]) -> Experiment:
    """``experiment`` with the runs of these seeds alone."""
    rows = {
        word: replace(row, seeds=[seed for seed in row.seeds if seed in seeds])
        for word, row in experiment.rows.items()
    }
    absent = set(seeds).difference(*(row.seeds for row in experiment.rows.values()))
    if absent:
        raise InputError(f"{experiment.name} has no seed {min(absent)}: choose from its plan's")
    return replace(experiment, rows=rows)


def compare(experiments: Sequence[Experiment], out: Path, jobs: int, threads: int) -> bool:
    """Run what is missing, print a table of each experiment; whether a run has failed."""
    with contextlib.ExitStack() as locks:
        used = {row.folder for one in experiments for row in one.rows.values()}
        held = [locks.enter_context(sole_user(out / name)) for name in sorted(used)]
        runs = runs_of(experiments, out)
        run_all(runs, jobs, threads, held, tell)
    for experiment in experiments:
        print(f"\n{experiment.name}\n")
        baseline = experiment.baselines[0] if experiment.baselines else "plain"
        first = baseline_of(baseline, next(iter(experiment.rows)))
        print_table([run for run in runs if run.experiment is experiment], first)
    return any(run.record["status"] == "failed" for run in runs)


def tell(run: Run) -> None:
    record = run.record
    line = f"{run.name} {record['status']}"
    if record["status"] != "started":
        line += f" after {record['seconds']} s"
    if record["status"] == "failed":
        line += f" ({record['error']})"
    print(line, flush=True)


def print_table(runs: Sequence[Run], baseline: str) -> None:
    scores: dict[str, dict[int, Scores | None]] = {}
    for run in runs:
        scores.setdefault(run.word, {})[run.seed] = run.scores()
    print(table(scores, baseline))
    for run in runs:
        if (record := run.record)["status"] == "failed":
            print(f"\nfailed: {run.word}, seed {run.seed}: {record['error']} ({run.folder / LOG})")


if __name__ == "__main__":
    main()
