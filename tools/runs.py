"""Runs of tools/train.py, some at a time, each in a folder of its own.

A folder's ``run.json`` says what was asked, and whether it is ``started``, ``finished`` or
``failed``. What has finished is not run again; whatever else is there starts anew, from an empty
folder. No child outlives this process, unless it is killed with SIGKILL; the lock that the children
inherit then keeps another comparison out until the last of them has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from arms import is_mmengine
from experiments import Experiment
from interrupts import signals_noted

from snr_plugins.data.files import json_bytes, write_whole
from snr_plugins.errors import InputError
from snr_plugins.results import Scores, read_stamps

TRAIN = Path(__file__).with_name("train.py")
ROOT = TRAIN.parents[1]
POLL = 0.2  # seconds
PATIENCE = 10  # seconds that a child has to end by itself
LOG = "output.txt"  # log.txt is Detectron2's own


@dataclass(frozen=True)
class Run:
    """One row and seed of an experiment."""

    experiment: Experiment
    word: str
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.experiment.name}: {self.word}, seed {self.seed}"

    @property
    def config(self) -> Path:
        """Its plain form."""
        return self.experiment.rows[self.word].config

    @property
    def arguments(self) -> list[str]:
        """Of ``tools/train.py``."""
        return self.experiment.arguments(self.word, self.seed, self.folder)

    @property
    def starts_from(self) -> list[Path]:
        """Files of other runs that its options name."""
        return self.experiment.starts_from(self.word, self.seed, self.folder)

    @property
    def asked(self) -> list[str]:
        """The same wherever folder and repository lie, and as somebody else would write it."""
        folder = Path("output", *self.folder.parts[-2:])
        config, *others = self.experiment.arguments(self.word, self.seed, folder)
        if Path(config).is_relative_to(ROOT):
            config = str(Path(config).relative_to(ROOT))
        return [config, *others]

    @property
    def record(self) -> dict:
        """What ``run.json`` holds; empty where there is none, ``status`` None."""
        path = self.folder / "run.json"
        try:
            return json.loads(path.read_bytes())
        except FileNotFoundError:
            return {"status": None}
        except ValueError:
            raise InputError(f"{path} is no JSON: remove its folder, which is run anew") from None

    def note(self, status: str, **more: object) -> None:
        record = {"arguments": self.asked, "status": status, **more}
        write_whole(self.folder / "run.json", json_bytes(record))

    def scores(self) -> Scores | None:
        """What it has scored on its targets; None if it has not finished.

        Raises:
            InputError: there is nothing to compare in its stamps.
        """
        return self.read_scores() if self.record["status"] == "finished" else None

    def read_scores(self) -> Scores:
        config = self.config
        scores = read_stamps(self.folder)
        if scores is None:
            hint = (
                "add StampHook to its default_hooks" if is_mmengine(config) else "name a test set"
            )
            raise InputError(f"{config} writes no stamp: {hint}")
        if not scores.domains:
            raise InputError(
                f"{config} has no {scores.metric} among its scores: add it to iou_metrics of its "
                "metric"
            )
        targets = self.experiment.targets or list(scores.domains)
        absent = [name for name in targets if name not in scores.domains]
        if absent:
            raise InputError(
                f"{config} is not tested on the target {absent[0]}; choose from: "
                f"{', '.join(scores.domains)}"
            )
        return Scores(scores.metric, {name: scores.domains[name] for name in targets})


def runs_of(experiments: Sequence[Experiment], out: Path) -> list[Run]:
    """Every run of every experiment, seed by seed, so that early ones already compare.

    All experiments' first seeds come before any second one: cut off, it leaves whole seeds.

    Raises:
        InputError: a run's folder holds something else.
    """
    runs = [
        Run(experiment, word, seed, out / "{}/{}_{}".format(*experiment.home(word), seed))
        for experiment in experiments
        for word, row in experiment.rows.items()
        for seed in row.seeds
    ]
    first: dict[Path, Run] = {}
    for run in runs:
        _check_folder(run)
        other = first.setdefault(run.folder, run)
        if other.asked != run.asked:
            raise InputError(
                f"{run.name} and {other.name} share a run and do not ask for the same: give them "
                "one config and the same options and targets, or do not share it"
            )
    order = {experiment.name: i for i, experiment in enumerate(experiments)}
    return sorted(runs, key=lambda run: (run.seed, order[run.experiment.name]))


def _check_folder(run: Run) -> None:
    run.arguments  # noqa: B018  # raises for a value that the framework would misread
    record = run.record
    if record["status"] is None:
        # hidden: locks, and what a killed writer has left
        if run.folder.is_dir() and any(not p.name.startswith(".") for p in run.folder.iterdir()):
            raise InputError(f"{run.folder} holds files of something else; give another --out")
    elif record["arguments"] != run.asked:
        home, _ = run.experiment.home(run.word)
        hint = "give another name or --out, or remove it"
        if home != run.experiment.name:
            hint = f"what is shared with {home} must have its config, options and targets"
        raise InputError(f"{run.folder} was run with other arguments; {hint}")


def commit() -> str | None:
    """The repository's commit, with ``+changes`` where files differ from it; None outside of it."""
    if not (ROOT / ".git").exists():  # installed, perhaps inside somebody else's repository
        return None
    words = ["git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+changes"]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    except OSError:  # no git here
        return None
    return done.stdout.strip() or None


def _clear(folder: Path) -> None:
    """Make it, or empty it but for run.json: cut off here, it is still known for a run's."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "run.json":
            path.unlink()


class Child:
    """One run on its way: training and, where the config has no validation, a test."""

    def __init__(self, run: Run, threads: int, held: Sequence[int]) -> None:
        self.run = run
        self.began = time.monotonic()
        self._tested = False
        self._options = {
            "env": os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)),
            "pass_fds": tuple(held),
            "start_new_session": True,  # of its own, so that its loaders' processes go with it
        }
        _clear(run.folder)
        self._commit = commit()  # of the code that starts, whatever becomes of the folder meanwhile
        run.note("started", commit=self._commit)
        self._start(run.arguments)

    def _start(self, arguments: list[str]) -> None:
        with (self.run.folder / LOG).open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(TRAIN), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                **self._options,
            )

    def is_done(self) -> bool:
        """Looks after the run; at its end its status is noted."""
        if (code := self._process.poll()) is None:
            return False
        if code == 0 and not self._tested and read_stamps(self.run.folder) is None:
            self._tested = True
            if is_mmengine(self.run.config):
                config, *options = self.run.arguments
                self._start([config, "--eval-only", *options])
                return False
        seconds = round(time.monotonic() - self.began)
        error = self._last_line() if code else None
        if not code:
            try:
                self.run.read_scores()
            except InputError as wrong:
                error = str(wrong)
        if error is None:
            self.run.note("finished", commit=self._commit, seconds=seconds)
        else:
            self.run.note("failed", commit=self._commit, seconds=seconds, error=error)
        return True

    def _last_line(self) -> str:
        log = self.run.folder / LOG
        lines = log.read_text(errors="replace").strip().splitlines()
        if self._process.returncode < 0:
            return f"killed by {signal.Signals(-self._process.returncode).name}"
        return lines[-1].strip().removeprefix("error: ") if lines else "it ended without a word"

    def stop(self) -> None:
        """End it and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):  # whoever of the group is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def next_run(waiting: Sequence[Run], active: Sequence[Run]) -> Run | None:
    """The first that starts from nothing that is still to come; None while there is no such run."""
    to_come = {run.folder for run in (*waiting, *active)}
    for run in waiting:
        if not any(to_come.intersection(path.parents) for path in run.starts_from):
            return run
    return None if active else waiting[0]  # a circle: it says itself what is missing


def run_all(
    runs: Sequence[Run], jobs: int, threads: int, held: Sequence[int], tell: Callable[[Run], None]
) -> None:
    """Run what has not finished, ``jobs`` at a time; ``tell`` of each at its start and end.

    A run that starts from a file of another one waits for its end.
    """
    # by folder: what two experiments share is run once
    unfinished = {run.folder: run for run in runs if run.record["status"] != "finished"}
    waiting = list(unfinished.values())
    active: list[Child] = []
    with signals_noted() as signals:
        try:
            while (waiting or active) and not signals:
                while waiting and len(active) < jobs:
                    run = next_run(waiting, [child.run for child in active])
                    if run is None:
                        break
                    waiting.remove(run)
                    active.append(Child(run, threads, held))
                    tell(run)
                time.sleep(POLL)
                for child in [child for child in active if child.is_done()]:
                    active.remove(child)
                    tell(child.run)
        finally:
            for child in active:
                child.stop()
    if signals:
        sys.exit(128 + signals[0])
