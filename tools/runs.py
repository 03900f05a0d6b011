"""Runs of tools/train.py, each in a folder of its own.

A folder's ``run.json`` says what was asked, and whether it is ``started``, ``finished`` or
``failed``. tools/children.py runs them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config_files import digest, is_mmengine
from experiments import Experiment

from snr_plugins.data.files import json_bytes, write_whole
from snr_plugins.errors import InputError
from snr_plugins.results import Scores, read_stamps

ROOT = Path(__file__).parents[1]


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
    def config_digest(self) -> str:
        """Of the file that is trained; see `config_files.digest`."""
        return digest(Path(self.arguments[0]))

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
            record = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {"status": None}
        except ValueError:
            record = None
        if not (isinstance(record, dict) and {"status", "arguments"} <= record.keys()):
            raise InputError(f"{path} is no record of a run: remove its folder, which is run anew")
        return record

    def check_config(self) -> None:
        """
        Raises:
            InputError: it cannot be read, or says something else than when this was run.
        """
        now = self.config_digest
        record = self.record
        if record["status"] == "finished" and record.get("config", now) != now:
            raise InputError(
                f"{self.arguments[0]} or a base of it has changed since {self.folder} was run: put "
                "it back, give another name or --out, or remove that folder, which is run anew"
            )

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
        """On its targets.

        Raises:
            InputError: as `all_scores`, or a target was not tested.
        """
        scores = self.all_scores()
        targets = self.experiment.targets or list(scores.domains)
        absent = [name for name in targets if name not in scores.domains]
        if absent:
            raise InputError(
                f"{self.config} is not tested on the target {absent[0]}; choose from: "
                f"{', '.join(scores.domains)}"
            )
        return Scores(scores.metric, {name: scores.domains[name] for name in targets})

    def all_scores(self) -> Scores:
        """On all that it was tested on.

        Raises:
            InputError: there is nothing to compare in its stamps.
        """
        config = self.config
        scores = read_stamps(self.folder)
        if scores is None and self.record["status"] == "finished":
            raise InputError(f"{self.folder} has lost its stamps: remove it, and it is run anew")
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
        return scores


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
