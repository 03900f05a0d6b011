"""Runs a command, kills it at random moments and starts it again: what is there must be whole.

Processes are forked from one that has imported the frameworks: a try costs its work alone.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["torch", "cv2", "detectron2.engine", "mmseg.apis", "mmpretrain.apis", "moderngl"]
)


@dataclass
class Command:
    """A command that may be started again.

    Args:
        words: a script below the repository's root and its arguments.
        out: the folder that it writes.
        results: what is there by name, read from ``out``; parts of it may be there after a kill.
        env: more variables of its environment.
    """

    words: list
    out: Path
    results: Callable[[Path], Mapping[str, object]]
    env: dict[str, str] = field(default_factory=dict)

    def start(self) -> multiprocessing.Process:
        words = [str(word) for word in self.words]
        process = SERVER.Process(target=_run, args=(words, self.env, self.log))
        process.start()
        return process

    @property
    def log(self) -> Path:
        return self.out.with_name(f"{self.out.name}.log")

    def finish(self) -> dict[str, object]:
        """Run it to its end; its results."""
        process = self.start()
        process.join()
        assert process.exitcode == 0, self.log.read_text()[-3000:]
        return dict(self.results(self.out))


def _run(words: list[str], env: dict[str, str], log: Path) -> None:
    os.environ.update(env)
    os.chdir(ROOT)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = words
    sys.path.insert(0, str(ROOT / words[0]).rpartition("/")[0])
    runpy.run_path(words[0], run_name="__main__")


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
            process.kill()
            process.join()
            killed += 1
            found = command.results(command.out) if command.out.exists() else {}
            assert found.items() <= whole.items(), told
        else:
            assert process.exitcode == 0, f"{told}: {command.log.read_text()[-3000:]}"
            assert command.results(command.out) == whole, told
            shutil.rmtree(command.out)
    assert command.finish() == whole, f"seed {seed}, after {killed} kills"
