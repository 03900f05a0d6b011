"""Pictures of what a network does to each domain. Every function returns one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from looking.measures import Seen, distances, stages_with
from looking.palette import colour, marker

Domains = Mapping[str, Sequence[Seen]]
STYLE = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "savefig.dpi": 120,
}
mpl.rcParams.update(STYLE)
BEFORE, AFTER = colour(4), colour(0)


def new_figure(rows: int, columns: int, width: float, height: float, **options: object) -> tuple:
    """A figure whose panels are ``width`` x ``height`` inches, and its axes (rows, columns)."""
    figure = Figure(figsize=(max(width * columns, 4.0), height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def log_numbers(axis: Axis) -> None:
    """Ticks at 0.3, 1, 3, 10 and so on, in plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 3)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def spans(axes: Axes, values: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """A row for each name: its median, its quartiles (thick), its 5th to 95th percent (thin)."""
    for row, of_name in enumerate(values):
        low, first, median, third, high = np.percentile(of_name, (5, 25, 50, 75, 95))
        axes.plot((low, high), (row, row), color=colour(row), linewidth=1.5)
        axes.plot((first, third), (row, row), color=colour(row), linewidth=5, alpha=0.6)
        axes.plot(median, row, marker(row), color=colour(row), ms=7, markeredgecolor="white")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first domain on top
    axes.grid(visible=False, axis="y")


def gates(domains: Domains) -> Figure:
    """How far each channel's gate is open on average, by stage and domain."""
    stages = stages_with(next(iter(domains.values())), "gate")
    figure, axes = new_figure(1, len(stages), 3.1, 0.9 + 0.36 * len(domains), sharey=True)
    for panel, stage in zip(axes[0], stages, strict=True):
        values = [np.mean([s.stages[stage].gate for s in seen], 0) for seen in domains.values()]
        spans(panel, values, list(domains))
        panel.set(title=stage, xlim=(-0.02, 1.02), xlabel="gate x trust")
    return figure


def distance(domains: Domains) -> Figure:
    """Distance of each image to what was learned, by stage and domain."""
    stages = stages_with(next(iter(domains.values())), "distance")
    figure, axes = new_figure(1, len(stages), 3.1, 0.9 + 0.36 * len(domains), sharey=True)
    for panel, stage in zip(axes[0], stages, strict=True):
        values = [distances(seen, stage) for seen in domains.values()]
        for row, points in enumerate(values):
            jitter = row + np.linspace(-0.25, 0.25, len(points))
            panel.plot(points, jitter, "o", ms=2.5, color="0.55", markeredgewidth=0)
        spans(panel, values, list(domains))
        panel.axvline(1, color="black", linestyle="--", linewidth=1)
        panel.set(title=stage, xscale="log", xlabel="style distance d / t")
        log_numbers(panel.xaxis)
    return figure


def channels(first: str, second: str, domains: Domains) -> Figure:
    """Each channel's mean and deviation in two domains, before and after each layer."""
    stages = list(domains[first][0].stages)
    figure, axes = new_figure(2, len(stages), 3.1, 3.0)
    for row, (field, word) in enumerate((("means", "mean"), ("deviations", "deviation"))):
        for column, stage in enumerate(stages):
            panel = axes[row, column]
            for time, (name, of_time) in enumerate((("before", BEFORE), ("after", AFTER))):
                x, y = (
                    np.mean([getattr(s.stages[stage], field)[time] for s in domains[d]], axis=0)
                    for d in (first, second)
                )
                panel.plot(x, y, "os"[time], ms=3.5, color=of_time, alpha=0.65, label=name)
            low, high = panel.get_xlim()[0], panel.get_xlim()[1]
            panel.axline((low, low), (high, high), color="0.4", linewidth=1, zorder=0)
            panel.set(title=f"{stage}: {word} of each channel", xlabel=first, ylabel=second)
    lines, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        lines, [f"{time} the layer" for time in labels], loc="outside upper left", ncols=2
    )
    return figure


def entropies(record: Sequence[Mapping[str, float]]) -> Figure | None:
    """Entropies of each stage's probe over training; None where no SNR's loss was logged."""
    ends = ("enhanced", "normalised", "contaminated")
    keys = {key for line in record for key in line if key.endswith("/entropy_enhanced")}
    stages = sorted(key.removesuffix("/entropy_enhanced") for key in keys)
    if not stages:
        return None
    figure, axes = new_figure(2, len(stages), 3.1, 2.3, sharex=True)
    for (above, below), stage in zip(axes.T, stages, strict=True):
        keys = {end: f"{stage}/entropy_{end}" for end in ends}
        lines = [line for line in record if keys["enhanced"] in line]
        steps = [line["iteration"] for line in lines]
        normalised = np.array([line[keys["normalised"]] for line in lines])
        for index, end in enumerate(ends):
            values = np.array([line[keys[end]] for line in lines])
            # dashes and hollow marks, so that one line under another is seen
            line = ("-", "-", "--")[index]
            fill = ("full", "full", "none")[index]
            drawn = {"ms": 4, "color": colour(index), "label": end, "fillstyle": fill}
            above.plot(steps, values, marker(index) + line, **drawn)
            below.plot(steps, values - normalised, marker(index) + line, **drawn)
        above.set(title=stage.rpartition("/")[2].rpartition("_")[2])
        below.set(xlabel="iteration")
    axes[0, 0].set_ylabel("entropy (nats)")
    axes[1, 0].set_ylabel("less the normalised")
    axes[0, 0].legend()
    return figure


def features(domains: Domains, classes: Sequence[str]) -> Figure | None:
    """Pooled features of objects on their first two principal components; None without any."""
    objects = [(d, s.objects) for d, seen in domains.items() for s in seen if s.objects.classes]
    domain_of = np.array([d for d, o in objects for _ in o.classes])
    class_of = np.array([c for _, o in objects for c in o.classes])
    if len(class_of) < 3:
        return None
    by_domain = [(d, domain_of == d) for d in domains]
    by_class = [(classes[c], class_of == c) for c in np.unique(class_of)]
    figure, axes = new_figure(2, 2, 4.2, 3.6)
    for column, time in enumerate(("before", "after")):
        points = np.concatenate([getattr(o, time) for _, o in objects])
        plane, shares = principal_plane(points)
        for row, groups in enumerate((by_domain, by_class)):
            panel = axes[row, column]
            between = share_between(points, [chosen for _, chosen in groups])
            for index, (name, chosen) in enumerate(groups):
                marks = {"color": colour(index), "marker": marker(index), "label": name}
                panel.scatter(*plane[chosen].T, s=11, alpha=0.6, linewidths=0, **marks)
            panel.set(
                title=f"{time} the last layer: {between:.0%} lies between "
                f"{('domains', 'classes')[row]}",
                xlabel=f"first component ({shares[0]:.0%} of all variance)",
                ylabel=f"second ({shares[1]:.0%})",
            )
    for row in range(2):
        axes[row, 1].legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.5)
    return figure


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P, C) on its first two principal components, (P, 2), and their shares of the variance."""
    centred = points - points.mean(0)
    _, values, components = np.linalg.svd(centred, full_matrices=False)
    return centred @ components[:2].T, values[:2] ** 2 / (values**2).sum()


def share_between(points: np.ndarray, groups: Sequence[np.ndarray]) -> float:
    """The share of the points' variance, over all channels, that lies between groups' means.

    Args:
        points: (P, C).
        groups: a mask (P,) each; together they hold every point once.
    """
    centre = points.mean(0)
    known = [points[chosen] for chosen in groups if chosen.any()]
    between = sum(len(group) * np.square(group.mean(0) - centre).sum() for group in known)
    return float(between / np.square(points - centre).sum())
