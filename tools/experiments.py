"""What a comparison runs: rows of a table, each an arm of a config over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from arms import Overrides, as_arguments, config_of, find_arm, overrides
from config_files import is_mmengine


@dataclass(frozen=True)
class Row:
    """One row of a table: an arm of a config.

    Args:
        title: for people.
        arm: a word of `arms.ARMS`.
        config: the plain form.
        options: overrides for every run.
        seeds: a run each.
        folder: the experiment's whose runs these are; its own name unless they are shared.
    """

    title: str
    arm: str
    config: Path
    options: Overrides
    seeds: Sequence[int]
    folder: str


@dataclass(frozen=True)
class Experiment:
    """Rows of one table.

    Args:
        name: of its folder and its table.
        config: the plain form.
        rows: word to row; the word is the arm's, with methods METHOD.ARM.
        baselines: rows that gains are over, for `baseline_of`; empty for the usual ones.
        targets: what to test on; empty for the config's own.
        title: of its table, for people.
        source: the domain that training has seen; None where all that is tested is unseen.
        joined: the name of a table that it shares with others; None for one of its own.
    """

    name: str
    config: Path
    rows: Mapping[str, Row]
    baselines: Sequence[str]
    targets: Sequence[str]
    title: str
    source: str | None
    joined: str | None

    def arguments(self, word: str, seed: int, folder: Path) -> list[str]:
        """What ``tools/train.py`` takes for one run, which goes into ``folder``."""
        row = self.rows[word]
        arm = find_arm(row.arm)
        config = config_of(arm, row.config)
        pairs: Overrides = [
            *((key, _filled(value, row, seed, folder)) for key, value in row.options),
            *overrides(arm, config),
        ]
        if is_mmengine(config):
            pairs.append(("randomness.seed", seed))
            words = as_arguments(pairs, config)
            return [str(config), "--work-dir", str(folder), "--cfg-options", *words]
        if self.targets and row.folder == self.name:  # what is shared is tested as it is there
            pairs.append(("DATASETS.TEST", tuple(self.targets)))
        pairs += [("SEED", seed), ("OUTPUT_DIR", folder)]
        return [str(config), *as_arguments(pairs, config)]

    def home(self, word: str) -> tuple[str, str]:
        """Experiment and row that a row's runs are of: another's, by its arm, where it is shared.

        Their folder is that experiment's.
        """
        row = self.rows[word]
        return (self.name, word) if row.folder == self.name else (row.folder, row.arm)

    def starts_from(self, word: str, seed: int, folder: Path) -> list[Path]:
        """Files of other runs that the options of one run name."""
        row = self.rows[word]
        named = [text for _, value in row.options for text in _texts(value) if "{runs}" in text]
        return [Path(str(_filled(text, row, seed, folder))) for text in named]


def baseline_of(baseline: str, word: str) -> str:
    """The row that the row ``word`` is compared with.

    Example:
        >>> baseline_of("source_only.{arm}", "da.snr"), baseline_of("{method}.plain", "da.snr")
        ('source_only.snr', 'da.plain')
    """
    method, _, arm = word.partition(".")
    return baseline.replace("{method}", method).replace("{arm}", arm)


def _filled(value: object, row: Row, seed: int, folder: Path) -> object:
    """With the run's own arm and seed, and the folder that holds the experiments'."""
    if isinstance(value, list):
        return [_filled(item, row, seed, folder) for item in value]
    if not isinstance(value, str):
        return value
    if "{runs}" in value:
        value = value.replace("{runs}", str(folder.parents[1]))
    return value.replace("{arm}", row.arm).replace("{seed}", str(seed))


def _texts(value: object) -> list[str]:
    """A text, or those in a list."""
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []
