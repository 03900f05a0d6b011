"""The main job on two CPU cores: plain and SNR Faster R-CNN, trained in clear weather.

Renders the synthetic city, runs ``tools/train.py`` on both configs, prints AP50 in clear weather,
fog, night and rain, and writes demo/panel.png and demo/results.json.

    python tools/demo.py [--train N] [--val N] [--seed S] [KEY VALUE ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from snr_plugins.data.city import write_city
from snr_plugins.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = {
    "plain": "configs/detection/faster_rcnn_R_18_FPN_synthetic_city.yaml",
    "SNR": "configs/detection/faster_rcnn_R_18_FPN_synthetic_city_snr.yaml",
}
WEATHER = {
    "clear": "synthetic_city_clear_val",
    "fog, beta 0.02": "synthetic_city_foggy_beta_0.02_val",
    "night": "synthetic_city_night_val",
    "rain": "synthetic_city_rain_val",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--train", type=int, default=400, help="clear streets to train on")
    parser.add_argument("--val", type=int, default=80, help="streets to test on, in all weathers")
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    parser.add_argument("overrides", nargs=argparse.REMAINDER, help="KEY VALUE of the configs")
    args = parser.parse_args()
    try:
        run(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def run(args: argparse.Namespace) -> None:
    datasets = Path(os.environ.setdefault("DETECTRON2_DATASETS", str(ROOT / "datasets")))
    print(f"1/4  Rendering the synthetic city into {datasets / 'synthetic_city'}")
    city = datasets / "synthetic_city"
    workers = os.cpu_count() or 1
    write_city(city, args.train, 0, seed=0, conditions=["clear"], workers=workers)
    write_city(city, 0, args.val, seed=0, workers=workers)

    print("2/4  Training plain and SNR side by side, one core each, then testing both")
    train(args)

    print("3/4  Results")
    results = {name: read_ap50(args.out / name) for name in CONFIGS}
    (args.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print_table(results, args)

    print(f"4/4  Drawing {args.out / 'panel.png'}")
    draw(args)


def train(args: argparse.Namespace) -> None:
    """Both configs at the same time; their logs go to demo/NAME/train.log."""
    from snr_plugins.detection.trainer import load_config

    processes, total = {}, 0
    for name, config in CONFIGS.items():
        out = args.out / name
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").unlink(missing_ok=True)  # the framework appends to an earlier run's
        overrides = [*args.overrides, "SEED", str(args.seed), "OUTPUT_DIR", str(out)]
        total += load_config(str(ROOT / config), overrides).SOLVER.MAX_ITER
        command = [sys.executable, str(ROOT / "tools/train.py"), str(ROOT / config), *overrides]
        print("     " + " ".join(["python", "tools/train.py", config, *overrides]))
        with open(out / "train.log", "w") as log:
            processes[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=os.environ | one_thread()
            )
    try:
        with tqdm(total=total, unit="it", desc="     iterations", smoothing=0.05) as bar:
            while any(process.poll() is None for process in processes.values()):
                time.sleep(1)
                bar.update(sum(iterations(args.out / name) for name in CONFIGS) - bar.n)
            bar.update(sum(iterations(args.out / name) for name in CONFIGS) - bar.n)
    finally:
        for process in processes.values():
            process.terminate()
    for name, process in processes.items():
        if process.wait() != 0:
            log = args.out / name / "train.log"
            last = log.read_text().strip().splitlines()[-1]
            raise InputError(f"training of {name} stopped ({last}); see {log}")


def one_thread() -> dict[str, str]:
    return {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def iterations(out: Path) -> int:
    """How far a run is, by the framework's own metrics file."""
    path = out / "metrics.json"
    lines = path.read_text().splitlines() if path.exists() else []
    return max(
        (json.loads(line)["iteration"] + 1 for line in lines if line.endswith("}")), default=0
    )


def read_ap50(out: Path) -> dict[str, float]:
    """AP50 in every weather from the framework's metrics file."""
    metrics: dict[str, float] = {}
    for line in (out / "metrics.json").read_text().splitlines():
        metrics.update(json.loads(line))
    return {weather: metrics[f"{dataset}/bbox/AP50"] for weather, dataset in WEATHER.items()}


def print_table(results: dict[str, dict[str, float]], args: argparse.Namespace) -> None:
    print(f"\nAP50 on {args.val} unseen streets, trained on {args.train} clear ones, one seed\n")
    print(f"  {'':16}{'plain':>8}{'SNR':>8}{'SNR - plain':>14}")
    for weather in WEATHER:
        plain, snr = (results[name][weather] for name in CONFIGS)
        print(f"  {weather:16}{plain:8.1f}{snr:8.1f}{snr - plain:+14.1f}")
    print()


def draw(args: argparse.Namespace) -> None:
    from snr_plugins.detection.panel import draw_panel
    from snr_plugins.detection.trainer import load_config

    configs = {
        name: load_config(
            str(ROOT / config),
            [*args.overrides, "MODEL.WEIGHTS", str(args.out / name / "model_final.pth")],
        )
        for name, config in CONFIGS.items()
    }
    draw_panel(configs, WEATHER["fog, beta 0.02"], args.out / "panel.png")


if __name__ == "__main__":
    main()
