"""Train forms of one segmentation config over several seeds and print the table.

    python tools/compare.py configs/segmentation/fcn_thin_r50_camvid.py --seeds 1 2 3
        [--forms plain norm snr loss] [--out output/compare] [--cfg-options KEY=VALUE ...]

Each form and seed is one run of tools/train.py in a folder of its own, tested after training where
the config has no validation. What has finished is not run again. The scores of all domains go to
scores.json, and as mean and gain over plain to the screen: gains are paired by seed, with the 95 %
interval of Student's t.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

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
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def read_scores(folder: Path) -> dict[str, float] | None:
    """Domain to mIoU of the last validation or test that MMEngine has logged; None without one."""
    scores = {}
    logs = [
        *folder.glob("*/vis_data/scalars.json"),
        *folder.glob("*/[0-9]*.json"),
    ]  # training, test
    for path in sorted(logs):  # by the time in the folder's name
        for line in path.read_text().splitlines():
            values = json.loads(line).items()
            scores.update({k.removesuffix("/mIoU"): v for k, v in values if k.endswith("/mIoU")})
    return scores or None


def run(config: Path, form: str, seed: int, folder: Path, overrides: list[str]) -> dict[str, float]:
    """Domain to mIoU of one form and seed; taken from ``folder`` if that has run before."""
    suffix, options = FORMS[form]
    path = config.with_name(f"{config.stem}{suffix}.py")
    arguments = ["--cfg-options", f"randomness.seed={seed}", *overrides, *options]
    record = folder / "scores.json"  # written last: a killed run has none
    if record.is_file():
        finished = json.loads(record.read_text())
        if finished["arguments"] != arguments:
            sys.exit(f"error: {folder} was run with other options; give another --out")
        return finished["scores"]
    print(f"{form}, seed {seed} ...", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, TRAIN, path, "--work-dir", folder]
    log = folder / "log.txt"
    call([*command, *arguments], log)
    if (scores := read_scores(folder)) is None:
        call([*command, "--eval-only", *arguments], log)
        scores = read_scores(folder)
    record.write_text(json.dumps({"arguments": arguments, "scores": scores}, indent=1))
    return scores


def call(command: list[str | Path], log: Path) -> None:
    with log.open("a") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        last = log.read_text().strip().splitlines()[-1]
        sys.exit(f"error: {last} (see {log})")


def interval(values: list[float]) -> str:
    """Mean and half width of its 95 % interval; the mean alone of one value."""
    mean = statistics.mean(values)
    if not 2 <= len(values) <= 10:
        return f"{mean:+.1f}"
    half = T_95[len(values) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:+.1f} ± {half:.1f}"


def table(scores: dict[str, dict[int, dict[str, float]]]) -> str:
    """Markdown; ``scores`` is form, seed, domain to mIoU."""
    domains = list(next(iter(next(iter(scores.values())).values())))
    lines = ["| mIoU | " + " | ".join(domains) + " |", "|---" * (len(domains) + 1) + "|"]
    for form, runs in scores.items():
        cells = []
        for domain in domains:
            values = [run[domain] for run in runs.values()]
            cell = f"{statistics.mean(values):.1f} ({', '.join(f'{v:.1f}' for v in values)})"
            shared = [seed for seed in runs if seed in scores.get("plain", {})]
            if form != "plain" and shared:
                gains = [runs[seed][domain] - scores["plain"][seed][domain] for seed in shared]
                cell += f" {interval(gains)}"
            cells.append(cell)
        lines.append(f"| {form} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    scores: dict[str, dict[int, dict[str, float]]] = {form: {} for form in args.forms}
    for seed in args.seeds:
        for form in args.forms:
            folder = args.out / args.config.stem / f"{form}_{seed}"
            scores[form][seed] = run(args.config, form, seed, folder, args.cfg_options)
            (args.out / args.config.stem / "scores.json").write_text(json.dumps(scores, indent=1))
    print(table(scores))


if __name__ == "__main__":
    main()
