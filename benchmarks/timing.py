"""Fair timing: contestants take turns within one run, and every figure is a ratio."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping

import torch


def alternate(
    contestants: Mapping[str, Callable[[], object]], rounds: int, device: str = "cpu"
) -> dict[str, list[float]]:
    """Seconds of each contestant in each round, in a new order every round; two rounds warm up."""
    order = list(contestants)
    shuffle = random.Random(0).shuffle
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for done in range(rounds + 2):
        shuffle(order)
        for name in order:
            _wait(device)
            start = time.perf_counter()
            contestants[name]()
            _wait(device)
            if done >= 2:
                times[name].append(time.perf_counter() - start)
    return times


def one_pass(
    form: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, backward: bool
) -> Callable[[], None]:
    """A contestant: ``form`` over its own copy of the map ``x``, and on request back."""
    own, grad = x.clone().requires_grad_(backward), torch.randn_like(x)

    def run() -> None:
        with torch.set_grad_enabled(backward):
            out = form(own)
        if backward:
            own.grad = None
            out.backward(grad)

    return run


def ratio(times: Mapping[str, list[float]], name: str, over: str) -> dict[str, float]:
    """Median and quartiles of ``name``'s time over that of ``over`` in the same round."""
    low, median, high = statistics.quantiles(
        [a / b for a, b in zip(times[name], times[over], strict=True)], n=4
    )
    return {"median": round(median, 3), "low": round(low, 3), "high": round(high, 3)}


def milliseconds(times: Mapping[str, list[float]]) -> dict[str, float]:
    """Median of each contestant, for orientation only."""
    return {name: round(1e3 * statistics.median(values), 3) for name, values in times.items()}


def peak_bytes(step: Callable[[], object], device: str = "cpu") -> int:
    """The most that ``step`` has allocated at one time, beyond what was there before."""
    gc.collect()  # garbage of before, freed in the step, would count against it
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    activities = [torch.profiler.ProfilerActivity.CPU]
    for _ in range(2):  # what it frees of a step that it has not seen, it does not count
        with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
            step()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
