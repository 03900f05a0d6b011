"""Look at a trained network: what it finds, and what its SNRs do to each domain.

    python tools/visualize.py CHECKPOINT [DOMAIN ...] [--plain CHECKPOINT] [--out DIR]

CHECKPOINT is Detectron2's or MMEngine's, with its config beside it, as a run leaves it. A DOMAIN is
a dataset that the config can name, a folder of images, one image, or NAME=PATH of these; by default
whatever the config tests on. The first domain is the one that others are set beside: the source.
Writes PNGs and an index.html, and the same for TensorBoard where it is installed.
"""

from __future__ import annotations

import argparse

import numpy as np
from looking import figures, panels
from looking.checkpoints import training_record
from looking.command import domains_of, new_parser, open_networks, run_tool, whole
from looking.measures import Seen, distances, look, stages_with
from looking.network import Network
from looking.pages import write_pages, write_tensorboard
from matplotlib.figure import Figure
from shared_words import in_short
from tqdm import tqdm


def main() -> None:
    args = parse()
    run_tool(lambda: visualize(args))


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__, out="visualize", images=20)
    parser.add_argument(
        "--rows", type=whole(1), default=1, help="images of each domain that are drawn"
    )
    return parser.parse_args(argv)


def visualize(args: argparse.Namespace) -> None:
    networks = open_networks(args)
    *_, network = networks.values()
    domains = domains_of(args, network)
    with tqdm(domains, unit="domain", leave=False) as bar:
        seen = [list(look(network, domain, args.images, args.rows)) for domain in bar]
    names = in_short([domain.name for domain in domains])
    drawn = draw(networks, dict(zip(names, seen, strict=True)), args.rows)
    training = figures.entropies(training_record(args.checkpoint))
    if training is not None:
        drawn["entropies"] = (
            training,
            "Entropies of each stage's probe over training. The loss wants the enhanced feature "
            "below the normalised, and the contaminated above.",
        )
    pictures = write_pages(args.out, str(args.checkpoint), drawn)
    write_tensorboard(args.out, pictures)
    print(f"{args.out / 'index.html'}: {', '.join(pictures)}")


def draw(
    networks: dict[str, Network], seen: dict[str, list[Seen]], rows: int
) -> dict[str, tuple[Figure, str]]:
    """Every figure that these networks and domains give, by name and with its caption."""
    *_, network = networks.values()
    drawn = {
        "results": (
            panels.side_by_side(networks, seen, rows),
            "What each network finds, drawn by its framework.",
        )
    }
    source = next(iter(seen))
    if stages_with(seen[source], "gate"):
        drawn["gates"] = (
            figures.gates(seen),
            "Gate times trust of each channel, averaged over a domain's images: 1 puts the whole "
            "residual back, 0 is instance norm. Median, quartiles and 5 to 95 % of the channels.",
        )
    if stages := stages_with(seen[source], "distance"):
        drawn["distances"] = (
            figures.distance(seen),
            "Style distance of each image: right of the dashed line lie 2 of 100 of the images "
            "that were learned from.",
        )
    farthest = list(seen)[-1]
    if len(seen) > 1 and stages:
        others = list(seen)[1:]
        farthest = max(others, key=lambda d: np.median(distances(seen[d], stages[0])))
    if farthest != source:
        drawn["channels"] = (
            figures.channels(source, farthest, seen),
            f"Style of {source} against {farthest}, a point for each channel: on the line the two "
            "look the same to what follows.",
        )
    pooled = figures.features(seen, network.classes)
    if pooled is not None:
        drawn["features"] = (
            pooled,
            "Features of objects before and after the last layer, on their first two principal "
            "components. Shares are of the variance over all channels.",
        )
    residuals = panels.residuals(network, seen)
    if residuals is not None:
        drawn["residuals"] = (
            residuals,
            "Where SNR puts something back (R+), or keeps it out (R-).",
        )
    return drawn


if __name__ == "__main__":
    main()
