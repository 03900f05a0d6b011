"""Rows of images: outputs of several networks side by side, and the residuals of an SNR."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from looking.figures import Domains, new_figure
from looking.network import Network

WIDTH = 5.0  # inches of an image


def _show(axes: Axes, image: np.ndarray, title: str = "", **options: object) -> object:
    axes.set(xticks=[], yticks=[])
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    return axes.imshow(image, interpolation="nearest", **options)


def side_by_side(networks: Mapping[str, Network], domains: Domains, rows: int) -> Figure:
    """The truth, where there is one, and each network's output on ``rows`` images a domain.

    Args:
        networks: by title; the images of ``domains`` were seen by the last.
        domains: with their details.
        rows: at most as many as have details.
    """
    images = [(d, s) for d, seen in domains.items() for s in seen[:rows]]
    *others, last = networks.values()
    labelled = any(s.frame.truth is not None for _, s in images)
    titles = ["ground truth" if labelled else "image", *networks]
    height, width = last.drawn(images[0][1].frame).shape[:2]
    figure, axes = new_figure(len(images), len(titles), WIDTH, WIDTH * height / width + 0.15)
    for row, (domain, seen) in enumerate(images):
        drawn = [last.drawn(seen.frame)]
        drawn += [n.drawn(seen.frame, n.predict(seen.frame)) for n in others]
        drawn.append(last.drawn(seen.frame, seen.output))
        for column, picture in enumerate(drawn):
            _show(axes[row, column], picture, titles[column] if row == 0 else "")
        axes[row, 0].set_ylabel(domain)
    if last.metric == "mIoU":  # boxes bear their names, areas their colours alone
        patches = [
            Patch(color=np.array(rgb) / 255, label=name)
            for name, rgb in zip(last.classes, last.colours, strict=True)
        ]
        columns = math.ceil(len(patches) / math.ceil(len(patches) / 8))
        figure.legend(handles=patches, loc="outside lower center", ncols=columns)
    return figure


def residuals(network: Network, domains: Domains) -> Figure | None:
    """Size of R+ and R- in every place, one image a domain; None without an SNR."""
    rows = [(domain, seen[0]) for domain, seen in domains.items()]
    stages = list(rows[0][1].residuals)
    if not stages:
        return None
    first = network.drawn(rows[0][1].frame._replace(truth=None))
    height = 2.3 * first.shape[0] / first.shape[1] + 0.12
    figure, axes = new_figure(len(rows), 1 + 2 * len(stages), 2.3, height)
    scales = {stage: _scale([s.residuals[stage] for _, s in rows]) for stage in stages}
    for row, (domain, seen) in enumerate(rows):
        _show(axes[row, 0], network.drawn(seen.frame._replace(truth=None)))
        axes[row, 0].set_ylabel(domain)
        for index, stage in enumerate(stages):
            for side, size in enumerate(seen.residuals[stage]):
                panel = axes[row, 1 + 2 * index + side]
                title = f"{stage}: {('R+, put back', 'R-, kept out')[side]}"
                _show(panel, size, title if row == 0 else "", vmin=0, vmax=scales[stage])
    for index in range(len(stages)):
        pair = axes[:, 1 + 2 * index : 3 + 2 * index]
        shown = pair[0, 0].images[0]
        bar = figure.colorbar(shown, ax=pair, location="bottom", shrink=0.8, aspect=40, pad=0.01)
        bar.set_label("root mean square over the channels")
        bar.outline.set_visible(False)
    return figure


def _scale(sizes: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """The 99th percent, so that a single place darkens nothing; the same for R+ and R-."""
    return float(np.percentile(np.concatenate([s.ravel() for pair in sizes for s in pair]), 99))
