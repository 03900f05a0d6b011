"""What SNR costs: the module and the other layers, growth, statistics, whole models, adaptation.

    python -m benchmarks.speed [--device cuda] [--rounds 30] [--only module models] [--out DIR]
        [--save]

Contestants take turns in a new order every round; every figure is the median of the rounds' ratios,
with its quartiles. Prints tables, and writes DIR/benchmark.json and DIR/growth.png; with --save the
numbers also go, section by section, to benchmarks/results/VERSION/MACHINE.json, which the docs
quote. On a GPU it also checks the Triton kernels against the formulas and compares them with a copy
of the map; whole models and methods that adapt need Detectron2 and MMSegmentation and are left out
without these.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.saved import kept, machine_name, save
from benchmarks.timing import alternate, milliseconds, one_pass, ratio
from snr_plugins.nn import SNR, textbook, walks

# What ResNet-50's stages 1 to 3 put out for one image, by the image's size
STAGES = {
    "600x1200": [(1, 256, 150, 300), (1, 512, 75, 150), (1, 1024, 38, 75)],
    "512x1024": [(1, 256, 128, 256), (1, 512, 64, 128), (1, 1024, 32, 64)],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    measured = (module, layers, statistics, growth, models, adaptation)
    sections = {section.__name__: section for section in measured}
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=30, help="of the module; models take a third")
    parser.add_argument("--only", nargs="+", choices=[*sections, "kernels"], help="by default all")
    parser.add_argument("--shrink", type=int, default=1, help="divide every height and width")
    parser.add_argument("--out", type=Path, default=Path("output/benchmark"))
    parser.add_argument("--save", action="store_true", help="keep the whole measurement")
    args = parser.parse_args()
    if args.save and args.shrink != 1:
        sys.exit("error: --save keeps measurements of whole maps: leave out --shrink")
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: --device cuda: torch finds no GPU here; leave it out to use the CPU")
    if args.device == "cuda":
        sections = {"kernels": kernels, **sections}
    args.out.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine(args.device), "rounds": args.rounds, "shrink": args.shrink}
    print(results["machine"])
    for name, section in sections.items():
        if not args.only or name in args.only:
            results[name] = section(args)
            # after every section: a later one that fails loses nothing
            (args.out / "benchmark.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"\nwrote {args.out / 'benchmark.json'}")
    if args.save:
        name = machine_name(results["machine"])
        # sections that were not measured now stay as they are
        print(f"saved {save({**kept(name, results['machine']), **results}, name)}")


def machine(device: str) -> dict[str, object]:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        name = lines[0].split(":")[1].strip() if lines else name
    gpu = torch.cuda.get_device_name() if device == "cuda" else None
    return {"cpu": name, "threads": torch.get_num_threads(), "gpu": gpu, "torch": torch.__version__}


def shrunk(shape: tuple[int, int, int, int], shrink: int) -> tuple[int, int, int, int]:
    n, c, height, width = shape
    return n, c, max(height // shrink, 2), max(width // shrink, 2)


def contestants(x: Tensor, backward: bool) -> dict[str, object]:
    """Name to callable: SNR and what it is measured against, each on its own map like ``x``."""
    snr = SNR(x.shape[1]).to(x.device)
    inplace = SNR(x.shape[1], inplace=True).to(x.device)
    forms = {
        "snr": snr,
        "textbook": lambda x: textbook.enhanced(snr, x),
        "instance norm": nn.InstanceNorm2d(x.shape[1], affine=True).to(x.device),
        "copy": Tensor.clone,
    }
    if not backward:
        forms["snr in place"] = inplace

    return {name: one_pass(form, x, backward) for name, form in forms.items()}


def module(args: argparse.Namespace) -> list[dict]:
    print("\nmodule: times faster than the textbook module; times slower than instance norm, copy")
    rows = []
    layouts = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    for size, shapes in STAGES.items():
        for layout, memory_format in layouts.items():
            for shape in (shrunk(s, args.shrink) for s in shapes):
                x = torch.randn(shape, device=args.device).relu_()
                x = x.contiguous(memory_format=memory_format)
                for what in ("forward", "forward+backward"):
                    times = alternate(contestants(x, what != "forward"), args.rounds, args.device)
                    for name in (n for n in times if n.startswith("snr")):
                        row = {
                            "image": size, "shape": shape, "layout": layout,
                            "what": what, "form": name,
                            "textbook over": ratio(times, "textbook", name),
                            "over instance norm": ratio(times, name, "instance norm"),
                            "over copy": ratio(times, name, "copy"),
                            "ms": milliseconds(times),
                        }  # fmt: skip
                        rows.append(row)
                        columns = ("textbook over", "over instance norm", "over copy")
                        print(
                            f"{shape!s:22} {layout:13} {what:16} {name:12} "
                            + "  ".join(f"{show(row[key]):>20}" for key in columns),
                            flush=True,
                        )
    return rows


def layers(args: argparse.Namespace) -> list[dict]:
    from benchmarks.layers import compare_layers

    return compare_layers(shrunk((2, 512, 75, 150), args.shrink), args.device, args.rounds)


def statistics(args: argparse.Namespace) -> list[dict]:
    """Ways to the variance: how wrong for mean 1e3 and std 1, and how long."""
    print("\nvariance: largest relative error at mean 1e3 and std 1; time over ours")
    shape = shrunk((1, 256, 150, 300), args.shrink)
    torch.manual_seed(0)
    x = torch.randn(shape, device=args.device) + 1e3
    exact = x.double().var((2, 3), unbiased=False)
    forms = {
        "ours": lambda: walks.statistics(x)[1],
        "E[F^2] - mean^2": lambda: x.square().mean((2, 3)) - x.mean((2, 3)).square(),
        "var_mean": lambda: torch.var_mean(x, (2, 3), unbiased=False)[0],
        "two walks": lambda: (x - x.mean((2, 3), keepdim=True)).square_().mean((2, 3)),
    }
    times = alternate(forms, args.rounds, args.device)
    rows = []
    for name, form in forms.items():
        error = ((form().double() - exact).abs() / exact).max().item()
        rows.append({"form": name, "error": error, "time": ratio(times, name, "ours")})
        print(f"{name:18} {error:9.1e} {show(rows[-1]['time']):>20}")
    return rows


def growth(args: argparse.Namespace) -> dict[str, object]:
    """Time against pixels and images, with the slope of the larger half on log axes."""
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    print("\ngrowth: slope of time on log axes (1: proportional)")
    series = {
        "pixels": [(1, 256, side, side) for side in (16, 32, 64, 128, 256, 384)],
        "images": [(images, 256, 64, 64) for images in (1, 2, 4, 8, 16, 32)],
    }
    results = {}
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    for axis, (what, shapes) in zip(axes, series.items(), strict=True):
        shapes = [shrunk(s, args.shrink) for s in shapes]
        amounts = [s[2] * s[3] if what == "pixels" else s[0] for s in shapes]
        for mode, backward in {"forward": False, "forward+backward": True}.items():
            measured = []
            for shape in shapes:
                x = torch.randn(shape, device=args.device)
                times = alternate(contestants(x, backward), max(args.rounds // 3, 3), args.device)
                measured.append(milliseconds(times))
            form = "snr" if backward else "snr in place"
            values = [ms[form] for ms in measured]
            slope = float(np.polyfit(np.log(amounts[3:]), np.log(values[3:]), 1)[0])
            results[f"{what}, {mode}"] = {
                "slope": round(slope, 2),
                "amount": amounts,
                "ms": measured,
            }
            axis.loglog(amounts, values, marker="o", label=f"SNR, {mode}: slope {slope:.2f}")
            textbook_ms = [ms["textbook"] for ms in measured]
            axis.loglog(amounts, textbook_ms, "--", color=axis.lines[-1].get_color(), alpha=0.5,
                        label=f"textbook, {mode}")  # fmt: skip
            print(f"{what:8} {mode:18} {slope:.2f}")
        axis.set_xlabel("pixels of one 256-channel map" if what == "pixels" else "images, 64 x 64")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[0].set_ylabel("milliseconds")
    figure.savefig(args.out / "growth.png", dpi=110)
    return results


def models(args: argparse.Namespace) -> list[dict]:
    if not has_frameworks("models"):
        return []
    from benchmarks.models import compare_models

    return compare_models(args.device, max(args.rounds // 3, 3), args.shrink * half(args.device))


def adaptation(args: argparse.Namespace) -> list[dict]:
    if not has_frameworks("adaptation"):
        return []
    from benchmarks.adaptation import compare_adaptation

    rounds = max(args.rounds // 3, 3)
    return compare_adaptation(args.device, rounds, args.shrink * half(args.device))


def has_frameworks(section: str) -> bool:
    missing = [x for x in ("detectron2", "mmseg") if importlib.util.find_spec(x) is None]
    if missing:
        print(f"\n{section}: left out, {' and '.join(missing)} not installed")
    return not missing


def half(device: str) -> int:
    """A CPU would take hours for the whole size."""
    return 2 if device == "cpu" else 1


def kernels(args: argparse.Namespace) -> list[dict]:
    from benchmarks.kernels import compare_kernels

    shapes = [shrunk(s, args.shrink) for s in STAGES["600x1200"]]
    return compare_kernels([(4, *s[1:]) for s in shapes], args.rounds)


def show(value: dict[str, float]) -> str:
    return f"{value['median']:.2f} ({value['low']:.2f}-{value['high']:.2f})"


if __name__ == "__main__":
    main()
