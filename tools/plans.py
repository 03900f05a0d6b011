"""What to compare: a plan file, or one experiment from the command line.

A plan is a mapping, or a list of them, an experiment each::

    name: city_boxes
    config: configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml   # the plain form
    arms: [plain, instance_norm, snr_paper, snr]
    seeds: [1, 2, 3, 4, 5]
    options: {SOLVER.MAX_ITER: 350}     # may be left out: overrides for every run
    targets: [synthetic_city_rain_val]  # may be left out: the config's own
    title: Synthetic city, boxes        # may be left out; these three are for tools/report.py
    source: synthetic_city_clear_val    # the domain that training has seen; left out: none
    joined: pacs                        # one table of all with this word: see tools/joined.py
    shared: {city_boxes_main: [plain]}  # rows whose runs are another experiment's, in its folder

The rows of a table may come from several configs, as of methods that adapt. Then a row is a method
and an arm, such as ``da.snr``, and every method has each of the arms::

    methods:
      source_only:
      da: {config: a_da.yaml, options: {MODEL.WEIGHTS: "{runs}/a/{arm}_{seed}/b.pth"}}
    shared: {city_boxes: [source_only.plain, source_only.snr]}
    baselines: ["source_only.{arm}", "{method}.plain"]   # gains are over these; left out: the usual

In baselines ``{arm}`` and ``{method}`` are those of the row whose gain it is: ``da.snr`` is
compared with ``source_only.snr`` and with ``da.plain``. A method without a config has the
experiment's, and its options come after the experiment's. In options ``{runs}`` is the folder of
all experiments, and ``{arm}`` and ``{seed}`` are the run's: so one run starts from what another has
left, and waits for it.

An arm with seeds of its own is written ``snr_static: [1, 2, 3]`` in a mapping of arms; one without,
``snr:``, takes ``seeds``. The targets are datasets for DATASETS.TEST in Detectron2; in
MMEngine the config says what is tested, and the targets are those of its domains that are
shown. Paths are sought from the working folder; a config also from the plan's folder and the
package's ``configs``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from arms import Overrides, config_of, find_arm
from experiments import Experiment, Row, baseline_of

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError

KEYS = ("name", "config", "arms", "seeds", "options", "targets", "methods", "baselines") + (
    *("title", "source", "joined", "shared"),
)
METHOD_KEYS = ("config", "options", "title")
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")  # of a folder


def read_plan(path: Path) -> list[Experiment]:
    """The experiments of a plan file.

    Raises:
        InputError: the file is missing or no plan, or one of its keys is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError:
        raise InputError(f"plan not found: {path}; give a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" near line {mark.line + 1}" if mark else ""
        raise InputError(f"{path} is not valid YAML{where}") from None
    entries = content if isinstance(content, list) else [content]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"{path} must hold a mapping of {', '.join(KEYS)}, or a list of them")
    experiments = [_experiment(f"{path}: ", entry, path.parent) for entry in entries]
    names = [experiment.name for experiment in experiments]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two experiments have the name {twice}; give one another name")
    return experiments


def experiment_of(
    config: str,
    arms: Sequence[str],
    seeds: Sequence[int],
    options: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> Experiment:
    """The experiment that a command line names; its name is the config's.

    Args:
        options: ``KEY=VALUE`` each.

    Raises:
        InputError: as `read_plan`.
    """
    pairs = dict(_split(option) for option in options)
    entry = {"name": Path(config).stem, "config": config, "arms": list(arms), "seeds": list(seeds)}
    return _experiment("", {**entry, "options": pairs, "targets": list(targets)}, Path())


def _split(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not (key and equals):
        raise InputError(f"--options: {option} is not KEY=VALUE")
    return key, value


def _experiment(where: str, entry: Mapping[Any, Any], folder: Path) -> Experiment:
    """Check one entry; ``where`` begins each sentence."""
    if "name" in entry:
        where += f"{entry['name']}: "
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise InputError(f"{where}unknown key '{unknown[0]}'; the keys are {', '.join(KEYS)}")
    missing = [key for key in ("name", "config", "arms") if not entry.get(key)]
    if missing:
        hint = "; a Detectron2 config itself is compared with --arms" if "config" in missing else ""
        raise InputError(f"{where}has no '{missing[0]}'{hint}")
    if not (isinstance(entry["name"], str) and NAME.fullmatch(entry["name"])):
        raise InputError(
            f"{where}name must be letters, digits, dots, dashes and underscores, in quotes if it "
            "is a number"
        )
    config = _find_config(where, entry["config"], folder)
    rows = _rows(where, entry, config, folder)
    for word, row in rows.items():
        form = config_of(find_arm(row.arm), row.config)
        if not form.is_file():
            raise InputError(f"{where}arm {word} needs {form}, the SNR form of {row.config.name}")
    baselines = _words_of(where, "baselines", entry)
    for baseline in baselines:
        unknown = [one for word in rows if (one := baseline_of(baseline, word)) not in rows]
        if unknown:
            raise InputError(f"{where}baselines: there is no {unknown[0]} among {', '.join(rows)}")
    return Experiment(
        name=entry["name"],
        config=config,
        rows=rows,
        baselines=baselines,
        targets=_words_of(where, "targets", entry),
        title=_words(where, "title", entry) or entry["name"],
        source=_words(where, "source", entry),
        joined=_words(where, "joined", entry),
    )


def _rows(where: str, entry: Mapping[Any, Any], config: Path, folder: Path) -> dict[str, Row]:
    """A row for each arm, or for each method and arm."""
    seeds = _seeds(where, entry["arms"], entry.get("seeds"))
    options = _options(where, entry.get("options") or {})
    if entry.get("methods") is None:
        rows = {
            arm: Row(find_arm(arm).title, arm, config, options, own, entry["name"])
            for arm, own in seeds.items()
        }
    else:
        rows = _method_rows(where, entry, config, folder, seeds, options)
    for name, words in _shared(where, entry.get("shared") or {}, rows).items():
        rows |= {word: replace(rows[word], folder=name) for word in words}
    return rows


def _method_rows(
    where: str,
    entry: Mapping[Any, Any],
    config: Path,
    folder: Path,
    seeds: Mapping[str, Sequence[int]],
    options: Overrides,
) -> dict[str, Row]:
    methods = entry["methods"]
    if not (isinstance(methods, dict) and methods):
        raise InputError(f"{where}methods must be a mapping of names to their {METHOD_KEYS}")
    rows = {}
    for method, own in methods.items():
        at = f"{where}method {method}: "
        if not (isinstance(method, str) and re.fullmatch(r"\w+", method)):
            raise InputError(f"{where}methods: {method} must be letters, digits and underscores")
        own = {} if own is None else own
        if not isinstance(own, dict) or not set(own) <= set(METHOD_KEYS):
            raise InputError(f"{at}must be a mapping of {', '.join(METHOD_KEYS)}")
        its_config = _find_config(at, own["config"], folder) if own.get("config") else config
        its_options = [*options, *_options(at, own.get("options") or {})]
        title = _words(at, "title", own) or method.replace("_", " ")
        for arm, of_arm in seeds.items():
            row_title = f"{title}: {find_arm(arm).title}"
            row = Row(row_title, arm, its_config, its_options, of_arm, entry["name"])
            rows[f"{method}.{arm}"] = row
    return rows


def _shared(where: str, shared: object, rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """By experiment the words of the rows whose runs it has."""
    if not isinstance(shared, dict):
        raise InputError(f"{where}shared must be a mapping of experiments to lists of rows")
    for name in shared:
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise InputError(f"{where}shared: {name} is no name of an experiment")
        for word in _words_of(f"{where}shared: ", name, shared):
            if word not in rows:
                raise InputError(f"{where}shared: there is no {word} among {', '.join(rows)}")
    return shared


def _find_config(where: str, name: object, folder: Path) -> Path:
    """From the working folder, from the plan's, or one that comes with the package."""
    if not isinstance(name, str) or Path(name).suffix not in (".py", ".yaml", ".yml"):
        raise InputError(f"{where}config must name a .yaml of Detectron2 or a .py of MMEngine")
    if Path(name).stem.endswith("_snr"):
        raise InputError(f"{where}config is {name}: name the plain form, without _snr")
    for path in (Path(name), folder / name):
        if path.is_file():
            return path
    try:
        return Path(config_path(name))
    except InputError as error:
        raise InputError(f"{where}{error}") from None


def _seeds(where: str, arms: object, common: object) -> dict[str, list[int]]:
    if isinstance(arms, list):
        arms = dict.fromkeys(map(str, arms))
    if not isinstance(arms, dict):
        raise InputError(f"{where}arms must be a list of words, or a mapping of words to seeds")
    found = {}
    for arm, own in arms.items():
        try:
            find_arm(arm)
        except InputError as error:
            raise InputError(f"{where}{error}") from None
        seeds = common if own is None else own
        whole = isinstance(seeds, list) and all(type(seed) is int for seed in seeds)
        if not (whole and seeds and min(seeds) >= 0 and len(set(seeds)) == len(seeds)):
            raise InputError(
                f"{where}seeds of {arm} must be a list of different whole numbers, such as [1, 2]"
            )
        found[arm] = seeds
    return found


def _options(where: str, options: object) -> Overrides:
    if not isinstance(options, dict):
        raise InputError(f"{where}options must be a mapping of a config's keys to values")
    for key, value in options.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise InputError(
                f"{where}options: {key} must be a key in dots with a word, a number or a list of "
                "them: give a part of a mapping a key of its own"
            )
    return list(options.items())


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


def _words_of(where: str, key: str, entry: Mapping[Any, Any]) -> list[str]:
    words = entry.get(key) or []
    if not (isinstance(words, list) and all(isinstance(name, str) for name in words)):
        raise InputError(f"{where}{key} must be a list of names")
    return words


def _words(where: str, key: str, entry: Mapping[Any, Any]) -> str | None:
    if not isinstance(entry.get(key), (str, type(None))):
        raise InputError(f"{where}{key} must be in words")
    return entry.get(key)
