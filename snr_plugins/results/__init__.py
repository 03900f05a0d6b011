"""Stamps, which scores carry, and the tables that are made from them."""

from snr_plugins.results.stamps import (
    Scores,
    counted_stamps,
    describe_adaptation,
    describe_checkpoint,
    find_stamps,
    median_distances,
    read_stamps,
    summary,
    versions,
    write_stamp,
)
from snr_plugins.results.tables import gains, half_width, interval, table

__all__ = [
    "Scores",
    "counted_stamps",
    "describe_adaptation",
    "describe_checkpoint",
    "find_stamps",
    "gains",
    "half_width",
    "interval",
    "median_distances",
    "read_stamps",
    "summary",
    "table",
    "versions",
    "write_stamp",
]
