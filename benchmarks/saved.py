"""Where a measurement that the docs quote is kept: ``benchmarks/results/VERSION/NAME.json``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import snr_plugins
from snr_plugins.data.files import write_whole

RESULTS = Path(__file__).with_name("results")


def save(record: dict, name: str, root: Path = RESULTS) -> Path:
    """Keep ``record`` under this version of the package; the file."""
    path = root / snr_plugins.__version__ / f"{name}.json"
    write_whole(path, (json.dumps(record, indent=1) + "\n").encode())
    return path


def kept(name: str, machine: dict, root: Path = RESULTS) -> dict:
    """What is kept of this version and machine, with the same torch; empty if nothing is."""
    path = root / snr_plugins.__version__ / f"{name}.json"
    record = json.loads(path.read_bytes()) if path.is_file() else {}
    return record if record.get("machine") == machine else {}


def machine_name(machine: dict) -> str:
    """A file's name for a machine: its GPU, or its CPU and threads; never its host name.

    Args:
        machine: ``cpu`` and ``gpu``, model names, the latter None without one; ``threads``.
    """
    name = machine["gpu"] or f"{machine['cpu']} {machine['threads']} threads"
    words = re.sub(r"\((r|tm)\)", " ", name.lower())
    return "-".join(re.findall(r"[a-z0-9]+(?:\.[a-z0-9]+)*", words))
