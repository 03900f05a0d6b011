"""Runs on their way, some at a time, as children of this process.

What has finished is not run again; whatever else is there starts anew, from an empty folder. No
child outlives this process, unless it is killed with SIGKILL; the lock that the children inherit
then keeps another comparison out until the last of them has ended.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from config_files import is_mmengine
from interrupts import signals_noted
from runs import ROOT, Run

from snr_plugins.errors import InputError
from snr_plugins.results import read_stamps

TRAIN = ROOT / "tools" / "train.py"
POLL = 0.2  # seconds
PATIENCE = 10  # seconds that a child has to end by itself
LOG = "output.txt"  # log.txt is Detectron2's own


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
        # of what starts, whatever becomes of the repository meanwhile
        self._started_from = {"commit": commit(), "config": run.config_digest}
        run.note("started", **self._started_from)
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
                self.run.all_scores()  # a target misspelt in the plan costs no training
            except InputError as wrong:
                error = str(wrong)
        if error is None:
            self.run.note("finished", **self._started_from, seconds=seconds)
        else:
            self.run.note("failed", **self._started_from, seconds=seconds, error=error)
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

    Raises:
        InputError: a config cannot be read, or has changed since one of its runs has finished.
    """
    for run in runs:
        run.check_config()
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
