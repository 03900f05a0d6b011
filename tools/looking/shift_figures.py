"""Pictures of the style distance as a detector, and of a score that falls as it grows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from looking import roc
from looking.figures import log_numbers, new_figure
from looking.palette import colour, marker


def draw_rocs(distances: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """A panel for each stage, a curve for each domain but the first, which it is told from.

    Args:
        distances: of each image, by domain and stage.
    """
    source, *others = distances
    stages = list(distances[source])
    figure, axes = new_figure(1, len(stages), 3.0, 3.0 + 0.2 * len(distances), sharey=True)
    for panel, stage in zip(axes[0], stages, strict=True):
        panel.plot((0, 1), (0, 1), color="0.7", linewidth=1, linestyle=":")
        for index, name in enumerate(others, 1):
            pair = distances[source][stage], distances[name][stage]
            label = f"{name}: {roc.area(*pair):.3f}"
            line = ("-", "--", "-.", ":")[(index - 1) % 4]
            panel.plot(*roc.curve(*pair), line, color=colour(index), linewidth=2, label=label)
        panel.set(title=stage, xlabel=f"false alarms on {source}")
        panel.legend(title="area", loc="upper center", bbox_to_anchor=(0.5, -0.18))
    axes[0, 0].set_ylabel("alarms")
    return figure


def draw_scores(found: Mapping[str, dict], metric: str) -> Figure | None:
    """Score against distance, a panel for each network; None where no domain has labels.

    Args:
        found: the domains as tools/shift.py describes them.
        metric: AP50 or mIoU.
    """
    titles = list(next((d["score"] for d in found.values() if d["score"]), ()))
    if not titles:
        return None
    figure, axes = new_figure(1, len(titles), 4.4, 3.5, sharey=True)
    for panel, title in zip(axes[0], titles, strict=True):
        for index, (name, domain) in enumerate(found.items()):
            if title not in domain["score"]:
                continue
            look = {"color": colour(index), "marker": marker(index)}
            x = [group["distance"] for group in domain["groups"]]
            y = [group["score"][title] for group in domain["groups"]]
            panel.plot(x, y, ms=4, linewidth=1, alpha=0.7, **look)
            median = domain["median"]["all stages"]
            whole = domain["score"][title]
            panel.plot(median, whole, ms=10, markeredgecolor="white", label=name, ls="", **look)
        panel.axvline(1, color="black", linestyle="--", linewidth=1)
        panel.set(title=title, xscale="log", xlabel="style distance d / t, mean over the stages")
        panel.set_ylim(bottom=0)
        log_numbers(panel.xaxis)
    axes[0, 0].set_ylabel(f"{metric} (%)")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
