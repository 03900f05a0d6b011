"""Look at a trained network: what it finds, and what its SNRs do to each domain.

    python tools/visualize.py CHECKPOINT [DOMAIN ...] [--plain CHECKPOINT] [--out DIR]

CHECKPOINT is Detectron2's or MMEngine's, with its config beside it, as a run leaves it. A DOMAIN is
a dataset that the config can name, a folder of images, one image, or NAME=PATH of these; by default
whatever the config tests on. The first domain is the one that others are set beside: the source.
Writes PNGs and an index.html, and the same for TensorBoard where it is installed.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
from looking import figures, panels
from looking.checkpoints import open_network, training_record
from looking.measures import Seen, distances, look, stages_with
from looking.network import Network, in_short, parse_domain
from looking.pages import write_pages, write_tensorboard
from matplotlib.figure import Figure
from tqdm import tqdm

from snr_plugins.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_network_arguments(parser)
    parser.add_argument("--plain", type=Path, help="a second checkpoint, to set beside")
    parser.add_argument("--plain-config", type=Path, help="its config, if it is not beside it")
    parser.add_argument("--titles", nargs=2, default=["plain", "SNR"], metavar="TITLE")
    parser.add_argument("--out", type=Path, default=Path("visualize"), help="folder to write")
    parser.add_argument("--images", type=int, default=20, help="of each domain; 0 for all")
    parser.add_argument("--rows", type=int, default=1, help="images of each domain that are drawn")
    args = parser.parse_args()
    run_tool(lambda: visualize(args))


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="NAME, PATH or NAME=PATH")
    parser.add_argument("--config", type=Path, help="if it is not beside the checkpoint")
    parser.add_argument("--device", default="cpu", help="of torch")


def run_tool(run: object) -> None:
    """Bad input ends in one sentence and status 1; the frameworks' logs are for their own runs."""
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        run()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def visualize(args: argparse.Namespace) -> None:
    network = open_network(args.checkpoint, args.config, args.device)
    networks = {args.titles[1]: network}
    if args.plain:
        plain = open_network(args.plain, args.plain_config, args.device)
        networks = {args.titles[0]: plain, **networks}
    seen = look_at_domains(network, args.domains, args.images, args.rows)
    seen = dict(zip(in_short(list(seen)), seen.values(), strict=True))
    drawn = draw(networks, seen, args.rows)
    training = figures.entropies(training_record(args.checkpoint))
    if training is not None:
        drawn["entropies"] = (
            training,
            "Entropies of each stage's probe over training. The loss wants the enhanced feature "
            "below the normalised, and the contaminated above.",
        )
    pictures = write_pages(args.out, f"{args.checkpoint}", drawn)
    write_tensorboard(args.out, pictures)
    print(f"{args.out / 'index.html'}: {', '.join(pictures)}")


def look_at_domains(
    network: Network, words: list[str], count: int, details: int
) -> dict[str, list[Seen]]:
    """What `looking.measures.look` sees, by domain; by default the config's own."""
    domains = [parse_domain(word) for word in words or network.domains()]
    names = [domain.name for domain in domains]
    if len(set(names)) < len(names):
        raise InputError(f"two domains have one name ({', '.join(names)}); give NAME=PATH")
    with tqdm(domains, unit="domain", leave=False) as bar:
        return {domain.name: list(look(network, domain, count, details)) for domain in bar}


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
        farthest = max(seen, key=lambda d: np.median(distances(seen[d], stages[0])))
    else:
        farthest = list(seen)[-1]
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
