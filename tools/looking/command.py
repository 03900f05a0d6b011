"""The part of a command line that the tools share."""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from looking.checkpoints import open_network
from looking.network import Domain, Network, parse_domain
from snr_plugins.errors import InputError


def new_parser(description: str | None, out: str, images: int) -> argparse.ArgumentParser:
    """Arguments for two networks and their domains; ``out`` and ``images`` are defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="NAME, PATH or NAME=PATH")
    parser.add_argument("--config", type=Path, help="if it is not beside the checkpoint")
    parser.add_argument(
        "--plain",
        type=Path,
        metavar="CHECKPOINT",
        help="a second network, to set beside; it takes the same inputs",
    )
    parser.add_argument("--plain-config", type=Path, help="its config, if it is not beside it")
    parser.add_argument(
        "--titles",
        nargs=2,
        default=["plain", "SNR"],
        metavar=("PLAIN", "SNR"),
        help="what pictures call the two",
    )
    parser.add_argument("--device", type=device, default="cpu", help="of torch")
    parser.add_argument("--out", type=Path, default=Path(out), help="folder to write")
    parser.add_argument("--images", type=whole(0), default=images, help="of each domain; 0 for all")
    return parser


def whole(least: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from ``least`` on."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text} is no whole number from {least} on")
        return int(text)

    return parse


def device(text: str) -> str:
    """A type for argparse: a device that torch has here."""
    try:
        torch.zeros(1, device=text)
    except Exception as error:  # RuntimeError, AssertionError, NotImplementedError by its kind
        reason = str(error).splitlines()[0]
        raise argparse.ArgumentTypeError(f"torch has no {text} here ({reason})") from None
    return text


def open_networks(args: argparse.Namespace) -> dict[str, Network]:
    """By title: the plain one, where it is given, and that of the checkpoint, which is last."""
    plain, title = args.titles
    networks = {}
    if args.plain:
        networks[plain] = open_network(args.plain, args.plain_config, args.device)
    networks[title] = open_network(args.checkpoint, args.config, args.device)
    return networks


def domains_of(args: argparse.Namespace, network: Network) -> list[Domain]:
    """Those that are given; by default the config's own.

    Raises:
        InputError: two have one name.
    """
    domains = [parse_domain(word) for word in args.domains or network.domains()]
    names = [domain.name for domain in domains]
    if len(set(names)) < len(names):
        raise InputError(f"two domains have one name ({', '.join(names)}); give NAME=PATH")
    return domains


def run_tool(run: Callable[[], None]) -> None:
    """Bad input ends in one sentence and status 1; the frameworks' logs are for their own runs."""
    logging.disable(logging.WARNING)
    warnings.filterwarnings("ignore")
    try:
        run()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror}; choose another place")
