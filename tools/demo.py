"""The main job on two CPU cores: Faster R-CNN, plain and with SNR, trained in clear weather.

Renders the synthetic city into $DETECTRON2_DATASETS (or datasets), trains three detectors that
start from the same plain one, the third with instance norm alone in SNR's place, prints AP50 in
clear weather, fog, night and rain, and writes demo/panel.png and demo/results.json.

    python tools/demo.py [--out DIR] [--train N] [--val N] [--seed S] [KEY VALUE ...]
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shlex
import subprocess
import sys
import time
import warnings
from pathlib import Path

from arms import ARMS, Arm, as_arguments, config_of, overrides
from panel import draw_panel
from tqdm import tqdm

from snr_plugins.city import write_city
from snr_plugins.configs import config_path
from snr_plugins.detection.config import load_config
from snr_plugins.errors import InputError
from snr_plugins.results import find_stamps, read_stamps

CONFIG = Path("detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml")
# SNR has to beat its own ablation too, or the gate and its loss were for nothing.
COLUMNS = {"plain": ARMS["plain"], "SNR": ARMS["snr"], "instance norm": ARMS["instance_norm"]}
WEATHER = {
    "clear": "synthetic_city_clear_val",
    "fog, beta 0.01": "synthetic_city_foggy_beta_0.01_val",
    "fog, beta 0.02": "synthetic_city_foggy_beta_0.02_val",
    "night": "synthetic_city_night_val",
    "rain": "synthetic_city_rain_val",
}
TEST_STEPS = 5  # a test of one weather takes about as long as so many iterations
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--train", type=int, default=320, help="clear streets to train on")
    parser.add_argument("--val", type=int, default=80, help="streets to test on, in all weathers")
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    parser.add_argument("overrides", nargs=argparse.REMAINDER, help="KEY VALUE of the configs")
    args = parser.parse_args()
    args.out = args.out.resolve()
    datasets = Path(os.environ.get("DETECTRON2_DATASETS", "datasets")).resolve()
    os.environ["DETECTRON2_DATASETS"] = str(datasets)
    # The tables and bars of this tool are what a person should see; the logs keep the rest.
    logging.getLogger("detectron2").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    try:
        run(args, datasets / "synthetic_city")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def run(args: argparse.Namespace, city: Path) -> None:
    given = [*args.overrides, "SEED", str(args.seed)]
    options = {
        name: [*options_of(arm), *given, "OUTPUT_DIR", str(args.out / name)]
        for name, arm in COLUMNS.items()
    }
    files = {name: config_path(str(config_of(arm, CONFIG))) for name, arm in COLUMNS.items()}
    steps = sum(load_config(files[n], options[n]).SOLVER.MAX_ITER for n in COLUMNS)
    steps += len(COLUMNS) * len(WEATHER) * TEST_STEPS

    print(f"1/4  Rendering the synthetic city into {city}", flush=True)
    workers = os.cpu_count() or 1
    write_city(city, args.train, 0, seed=0, conditions=["clear"], workers=workers)
    write_city(city, 0, args.val, seed=0, workers=workers)

    print("2/4  Training all three side by side, one thread each, then testing them", flush=True)
    train(args.out, options, steps)

    results = {name: read_ap50(args.out / name) for name in COLUMNS}
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    seen, unseen = (
        len(list((city / "leftImg8bit" / split).rglob("*.png"))) for split in ("train", "val")
    )
    print(f"3/4  AP50 on {unseen} unseen streets; trained on {seen} clear ones, seed {args.seed}\n")
    print_table(results)

    print(f"4/4  Drawing the same foggy streets for all into {args.out / 'panel.png'}", flush=True)
    weights = {
        name: ["MODEL.WEIGHTS", str(args.out / name / "model_final.pth")] for name in COLUMNS
    }
    configs = {name: load_config(files[name], options[name] + weights[name]) for name in COLUMNS}
    draw_panel(configs, WEATHER["fog, beta 0.01"], args.out / "panel.png")


def options_of(arm: Arm) -> list[str]:
    return as_arguments(overrides(arm, CONFIG), CONFIG)


def train(out: Path, options: dict[str, list[str]], steps: int) -> None:
    """All at the same time; their logs go to OUT/NAME/train.log."""
    processes = {}
    for name, arm in COLUMNS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.json").unlink(missing_ok=True)  # the framework appends to it
        for stamp in find_stamps(folder):  # of an earlier demo
            stamp.unlink()
        command = ["-m", "snr_plugins.train", str(config_of(arm, CONFIG)), *options[name]]
        print("     python " + shlex.join(command), flush=True)
        with open(folder / "train.log", "w") as log:
            processes[name] = subprocess.Popen(
                [sys.executable, *command],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | ONE_THREAD,
            )
    try:
        with tqdm(total=steps, unit="step", desc="     all", smoothing=0.05) as bar:
            while None in (states := [process.poll() for process in processes.values()]):
                if any(states):  # one has failed: no use in waiting for the others
                    break
                time.sleep(1)
                bar.update(sum(done_steps(out / name) for name in COLUMNS) - bar.n)
            else:
                bar.update(steps - bar.n)
        failed = [name for name, process in processes.items() if process.poll()]
    finally:
        for process in processes.values():
            process.terminate()
    if failed:
        log = out / failed[0] / "train.log"
        last = (log.read_text().strip().splitlines() or ["no message"])[-1]
        raise InputError(f"training of {failed[0]} stopped ({last}); see {log}")


def done_steps(folder: Path) -> int:
    """Iterations by the framework's metrics file, and tests by its log."""
    path = folder / "metrics.json"
    lines = path.read_text().splitlines() if path.exists() else []
    # a line that is being written has no end yet
    iterations = max((json.loads(x)["iteration"] for x in lines if x.endswith("}")), default=0)
    tests = (folder / "train.log").read_text().count("in csv format")
    return iterations + TEST_STEPS * min(tests, len(WEATHER))


def read_ap50(folder: Path) -> dict[str, float]:
    """AP50 in every weather. No detection at all is the framework's NaN, and 0 here."""
    scores = read_stamps(folder)
    missing = [name for name in WEATHER.values() if scores is None or name not in scores.domains]
    if missing:
        raise InputError(
            f"{folder} has no stamp of {missing[0]}: keep DATASETS.TEST as the demo's config has it"
        )
    found = {weather: scores.domains[name] for weather, name in WEATHER.items()}
    return {weather: 0.0 if math.isnan(ap50) else ap50 for weather, ap50 in found.items()}


def print_table(results: dict[str, dict[str, float]]) -> None:
    print(f"     {'':16}{'plain':>8}{'SNR':>8}{'SNR - plain':>14}{'instance norm':>16}")
    for weather in WEATHER:
        plain, snr, norm = (results[name][weather] for name in COLUMNS)
        print(f"     {weather:16}{plain:8.1f}{snr:8.1f}{snr - plain:+14.1f}{norm:16.1f}")
    print()


if __name__ == "__main__":
    main()
