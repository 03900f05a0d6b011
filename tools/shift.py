"""How well the style distance tells a shift, and how the score falls as it grows.

    python tools/shift.py CHECKPOINT [DOMAIN ...] [--plain CHECKPOINT] [--out DIR]

CHECKPOINT and DOMAINs are as of tools/visualize.py; the first domain is the source, which others
are told from. Writes shift.json with the distances of each image, and the area under the ROC of
each domain against the source; roc.png; and, where a domain has labels, score.png with the
framework's own AP50 or mIoU of the domain and of its images in groups by distance.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
from looking import roc
from looking.command import domains_of, new_parser, open_networks, run_tool, whole
from looking.measures import short_names
from looking.network import Domain, Network, Scorer
from looking.pages import write_pages
from looking.shift_figures import draw_rocs, draw_scores
from shared_words import in_short
from tqdm import tqdm

from snr_plugins.data.files import json_bytes, write_whole
from snr_plugins.errors import InputError
from snr_plugins.nn import style_distances

ALL = "all stages"  # the geometric mean of the stages' distances


class Measured(NamedTuple):
    """A domain's images: ``files``, and (N,) distances by stage. Scorers by the network's title."""

    files: list[str]
    distances: dict[str, np.ndarray]
    scorers: dict[str, Scorer]


def main() -> None:
    args = parse()
    run_tool(lambda: shift(args))


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = new_parser(__doc__, out="shift", images=0)
    parser.add_argument(
        "--groups", type=whole(1), default=3, help="of a domain's images by distance"
    )
    return parser.parse_args(argv)


def shift(args: argparse.Namespace) -> None:
    networks = open_networks(args)
    *_, network = networks.values()
    domains = domains_of(args, network)
    if len(domains) < 2:
        raise InputError("a shift is told from something: name two domains, the source first")
    with tqdm(domains, unit="domain", leave=False) as bar:
        measured = [measure(networks, domain, args.images) for domain in bar]
    names = in_short([domain.name for domain in domains])
    found = {
        name: describe(seen, measured[0], args.groups)
        for name, seen in zip(names, measured, strict=True)
    }
    distances = {name: seen.distances for name, seen in zip(names, measured, strict=True)}
    drawn = {
        "roc": (
            draw_rocs(distances),
            f"Telling each domain from {names[0]} by the style distance alone.",
        )
    }
    scores = draw_scores(found, network.metric)
    if scores is not None:
        drawn["score"] = (
            scores,
            f"{network.metric} of each domain (large) and of its images in {args.groups} groups "
            "by distance (small).",
        )
    write_pages(args.out, str(args.checkpoint), drawn)
    report = {
        "checkpoint": str(args.checkpoint),
        "source": names[0],
        "metric": network.metric,
        "domains": found,
    }
    write_whole(args.out / "shift.json", json_bytes(report))
    print_table(found, network.metric)


def measure(networks: dict[str, Network], domain: Domain, count: int) -> Measured:
    """Run a domain's images through every network; distances are the last one's."""
    *_, network = networks.values()
    scorers = {title: each.scorer(domain) for title, each in networks.items()}
    files, rows = [], []
    for frame in network.frames(domain, count):
        with style_distances(network.model) as distances:
            outputs = {title: each.predict(frame) for title, each in networks.items()}
        # several passes where inference slides over windows
        row = {n: np.mean([float(d) for d in passes]) for n, passes in distances.items()}
        if not row or not all(row.values()):
            raise InputError(
                "the checkpoint knows no style distance: train an SNR with trust, the default, on "
                "more than 64 images"
            )
        files.append(frame.path)
        rows.append(row)
        for title, scorer in scorers.items():
            if scorer is not None and frame.truth is not None:
                scorer.add(frame, outputs[title])
            else:
                scorers[title] = None  # a score of some of the images would mislead
    stages = short_names(network.model)
    found = {stages[name]: np.array([row[name] for row in rows]) for name in rows[0]}
    return Measured(
        files,
        {**found, ALL: np.exp(np.mean(np.log(list(found.values())), axis=0))},
        {title: scorer for title, scorer in scorers.items() if scorer is not None},
    )


def describe(seen: Measured, source: Measured, groups: int) -> dict:
    """A domain as shift.json has it: medians, areas under the ROC, scores, and every image."""
    overall = seen.distances[ALL]
    # the emptiest group would be none: a domain may have fewer images than groups
    members = [m for m in roc.by_size(overall, groups) if len(m)]
    return {
        "images": len(seen.files),
        "median": {stage: float(np.median(d)) for stage, d in seen.distances.items()},
        "above_1": {stage: float((d > 1).mean()) for stage, d in seen.distances.items()},
        "auc": {stage: roc.area(source.distances[stage], d) for stage, d in seen.distances.items()},
        "score": {
            title: scorer.score(range(len(seen.files))) for title, scorer in seen.scorers.items()
        },
        "groups": [
            {
                "images": len(chosen),
                "distance": float(np.median(overall[chosen])),
                "score": {
                    title: scorer.score(chosen.tolist()) for title, scorer in seen.scorers.items()
                },
            }
            for chosen in members
        ],
        "files": {
            file: {stage: float(d[i]) for stage, d in seen.distances.items()}
            for i, file in enumerate(seen.files)
        },
    }


def print_table(found: dict[str, dict], metric: str) -> None:
    """Markdown: a row for each domain."""
    stages = list(next(iter(found.values()))["median"])
    titles = list(dict.fromkeys(t for domain in found.values() for t in domain["score"]))
    head = ["domain", "images", *(f"median {s}" for s in stages), *(f"AUC {s}" for s in stages)]
    head += [f"{metric} {title}" for title in titles]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name, domain in found.items():
        cells = [name, str(domain["images"])]
        cells += [f"{domain['median'][stage]:.2f}" for stage in stages]
        cells += [f"{domain['auc'][stage]:.3f}" for stage in stages]
        cells += [f"{domain['score'][t]:.1f}" if t in domain["score"] else "" for t in titles]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
