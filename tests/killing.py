"""Runs a command, kills it at random moments and starts it again: what is there must be whole.

Processes are forked from one that has imported the frameworks: a try costs its work alone. No file
of the repository may be changed meanwhile, as each reads it anew.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        *("matplotlib.pyplot", "moderngl", "sklearn.datasets", "torch.utils.tensorboard"),
        *("snr_plugins.detection.launch", "snr_plugins.openmmlab.launch", "snr_plugins.city"),
        *(
            "snr_plugins.segmentation",
            "snr_plugins.classification",
            "mmseg.apis",
            "mmpretrain.apis",
        ),
    ]
)


@dataclass
class Command:
    """A command that may be started again.

    Args:
        words: a script below the repository's root and its arguments, run in ``cwd``.
        out: the folder that it writes.
        results: what is there by name, read from ``out``; parts of it may be there after a kill.
        env: more variables of its environment.
        cwd: the folder that it runs in.
        file_size: bytes that a file may have, in place of a disk that is full.
        forked: whether it needs the frameworks; to import all of them is a minute's work.
    """

    words: list
    out: Path
    results: Callable[[Path], Mapping[str, object]]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    file_size: int | None = None
    forked: bool = True

    def start(self) -> multiprocessing.Process:
        self.out.parent.mkdir(exist_ok=True)
        words = [str(word) for word in self.words]
        how = (self.env, self.cwd, self.log, self.file_size)
        context = SERVER if self.forked else multiprocessing.get_context("spawn")
        process = context.Process(target=_run, args=(words, *how))
        process.start()
        return process

    @property
    def log(self) -> Path:
        return self.out.with_name(f"{self.out.name}.log")

    def error(self) -> str:
        """Run it to its end, which is one sentence and status 1."""
        process = self.start()
        process.join()
        said = self.log.read_text()
        assert process.exitcode == 1, said[-3000:]
        *_, last = said.splitlines()
        assert last.startswith("error: "), said[-3000:]
        return last

    def finish(self) -> dict[str, object]:
        """Run it to its end; its results."""
        process = self.start()
        process.join()
        assert process.exitcode == 0, self.log.read_text()[-3000:]
        return dict(self.results(self.out))


def _run(
    words: list[str], env: dict[str, str], cwd: Path, log: Path, file_size: int | None
) -> None:
    os.environ.update(env)
    os.chdir(cwd)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    sys.argv = words
    script = ROOT / words[0]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def kill(process: multiprocessing.Process) -> None:
    """SIGKILL to it and what it has started, as when a machine goes down."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)
    process.join()
    for pid in children:  # orphans now: gone, or a zombie that holds nothing
        while Path(f"/proc/{pid}/stat").exists() and " Z " not in _text(f"/proc/{pid}/stat"):
            time.sleep(0.01)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return " Z "


def kill_and_start_again(command: Command, kills: int, seed: int) -> None:
    """Kill it so many times, at moments that are the seed's, and let it end in between.

    After each kill nothing but parts of the uninterrupted result is there; at the end, all of it.
    """
    command.finish()
    shutil.rmtree(command.out)
    began = time.monotonic()
    whole = command.finish()  # with everything in the caches
    duration = time.monotonic() - began
    shutil.rmtree(command.out)
    moments, killed = random.Random(seed), 0
    while killed < kills:
        moment = moments.uniform(0, 1)
        process = command.start()
        process.join(moment * duration)
        told = f"seed {seed}, kill {killed} at {moment:.3f} of {duration:.1f} s"
        if process.exitcode is None:
            kill(process)
            killed += 1
            found = command.results(command.out) if command.out.exists() else {}
            assert found.items() <= whole.items(), told
        else:
            assert process.exitcode == 0, f"{told}: {command.log.read_text()[-3000:]}"
            assert command.results(command.out) == whole, told
            shutil.rmtree(command.out)
    assert command.finish() == whole, f"seed {seed}, after {killed} kills"
