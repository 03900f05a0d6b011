"""Every layer that goes in SNR's place, over torch's instance norm, for ``benchmarks/speed.py``."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.timing import alternate, milliseconds, one_pass, ratio
from snr_plugins.nn import LAYERS, create_layer


def compare_layers(shape: tuple[int, int, int, int], device: str, rounds: int) -> list[dict]:
    """Rows of ratios: a step of training each, forward and backward, and inference."""
    print(f"\nlayers: times slower than torch's instance norm, {shape}")
    x = torch.randn(shape, device=device).relu_()
    layers = {word: create_layer(word, shape[1]).to(device) for word in LAYERS}
    layers["torch"] = nn.InstanceNorm2d(shape[1], affine=True).to(device)
    rows = []
    for what in ("inference", "training"):
        trains = what == "training"
        steps = {word: one_pass(layer.train(trains), x, trains) for word, layer in layers.items()}
        times = alternate(steps, rounds, device)
        for word in LAYERS:
            row = {"layer": word, "what": what, "over instance norm": ratio(times, word, "torch")}
            rows.append({**row, "ms": milliseconds(times)[word]})
            print(f"  {what:10} {word:28} {row['over instance norm']}", flush=True)
    return rows
