"""Train forms of one segmentation config over several seeds and print the table.

    python tools/compare.py configs/segmentation/fcn_thin_r50_camvid.py --seeds 1 2 3
        [--forms plain norm snr loss] [--out output/compare] [--cfg-options KEY=VALUE ...]

Each form and seed is one run of tools/train.py in a folder of its own, tested after training where
the config has no validation. What has finished is not run again. The scores of all domains go to
scores.json, read from the stamps of the runs, and as mean and gain over plain to the screen: gains
are paired by seed, with the 95 % interval of Student's t.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from snr_plugins.errors import InputError
from snr_plugins.results import Scores, find_stamps, read_stamps, table

TRAIN = Path(__file__).with_name("train.py")
WITHOUT_LOSS = ["model.snr_loss_weight=0.0", "model.snr_probe_weight=0.0"]
# suffix of the config, overrides
FORMS = {
    "plain": ("", []),
    "norm": ("_snr", [*WITHOUT_LOSS, "model.backbone.snr.gate=closed"]),  # instance norm alone
    "snr": ("_snr", WITHOUT_LOSS),
    "loss": ("_snr", []),  # as the SNR config has it
    "bounded": ("_snr", ["model.backbone.snr.gate=bounded"]),
    "static": ("_snr", ["model.backbone.snr.gate=static"]),
    "uncalibrated": ("_snr", ["custom_hooks=[]"]),  # gamma 1, beta 0: the paper's start
}


def run(config: Path, form: str, seed: int, folder: Path, overrides: list[str]) -> Scores:
    """The scores of one form and seed; taken from ``folder`` if that has run before."""
    suffix, options = FORMS[form]
    path = config.with_name(f"{config.stem}{suffix}.py")
    arguments = ["--cfg-options", f"randomness.seed={seed}", *overrides, *options]
    record = folder / "scores.json"  # written last: a killed run has none
    if record.is_file():
        finished = json.loads(record.read_text())
        if finished["arguments"] != arguments:
            raise InputError(f"{folder} was run with other options; give another --out")
        return Scores(finished["metric"], finished["domains"])
    print(f"{form}, seed {seed} ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for stamp in find_stamps(folder):  # of a killed run, whose scores are not this one's
        stamp.unlink()
    command = [sys.executable, TRAIN, path, "--work-dir", folder]
    log = folder / "log.txt"
    call([*command, *arguments], log)
    if (scores := read_stamps(folder)) is None:  # the config has no validation
        call([*command, "--eval-only", *arguments], log)
        scores = read_stamps(folder)
    if scores is None:
        raise InputError(f"{config} writes no stamp: add StampHook to its default_hooks")
    if not scores.domains:
        raise InputError(
            f"{config} has no {scores.metric} among its scores: add it to iou_metrics of its metric"
        )
    record.write_text(json.dumps({"arguments": arguments, **scores._asdict()}, indent=1))
    return scores


def call(command: list[str | Path], log: Path) -> None:
    with log.open("a") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        last = log.read_text().strip().splitlines()[-1]
        raise InputError(f"{last.removeprefix('error: ')} (see {log})")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path, help="the plain form; its SNR form ends in _snr.py")
    parser.add_argument(
        "--forms", nargs="+", choices=FORMS, default=["plain", "norm", "snr", "loss"]
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--out", type=Path, default=Path("output/compare"))
    parser.add_argument("--cfg-options", nargs="+", default=[], help="for every run")
    args = parser.parse_args()
    for path in (args.config, args.config.with_name(f"{args.config.stem}_snr.py")):
        if not path.is_file():
            parser.error(f"config file not found: {path}")
    try:
        print(table(compare(args)))
    except InputError as error:
        sys.exit(f"error: {error}")


def compare(args: argparse.Namespace) -> dict[str, dict[int, Scores]]:
    """Form, then seed, to the scores of that run; what is known so far goes to scores.json."""
    out = args.out / args.config.stem
    runs: dict[str, dict[int, Scores]] = {form: {} for form in args.forms}
    for seed in args.seeds:
        for form in args.forms:
            folder = out / f"{form}_{seed}"
            runs[form][seed] = run(args.config, form, seed, folder, args.cfg_options)
            scores = {
                form: {s: r.domains for s, r in seeds.items()} for form, seeds in runs.items()
            }
            (out / "scores.json").write_text(json.dumps(scores, indent=1))
    return runs


if __name__ == "__main__":
    main()
