"""Say how much of a backbone a checkpoint really filled."""

from __future__ import annotations

import logging

from mmengine.logging import print_log
from torch import nn

ENOUGH = 0.9  # of the tensors; a real checkpoint of the same network covers them all


def report_coverage(backbone: nn.Module) -> None:
    """Whenever ``backbone`` is loaded, alone or inside a model, log how much was covered.

    MMEngine loads what matches and lists the rest among much else; a checkpoint with other names
    or widths leaves a network of noise. SNR's own tensors, new by design, do not count. MMEngine's
    ``load_state_dict`` (mmengine/runner/checkpoint.py) calls the hooks of every child with all
    keys missed so far, by their full names.
    """
    backbone.register_load_state_dict_post_hook(_report)


def _report(backbone: nn.Module, incompatible: object) -> None:
    names = (key for key in backbone.state_dict() if not key.endswith("num_batches_tracked"))
    wanted = {key for key in names if ".snr." not in key}
    missed = {key.removeprefix("backbone.") for key in incompatible.missing_keys}
    missing = sorted(wanted & missed)
    new = sorted(key for key in missed if ".snr." in key)
    if new:
        print_log(
            f"The checkpoint lacks {len(new)} SNR tensors ({new[0]}, ...): right for starting from "
            "a plain network, wrong for testing or resuming one with SNR",
            "current",
            logging.WARNING,
        )
    covered = len(wanted) - len(missing)
    counts = f"covers {covered} of the backbone's {len(wanted)} tensors"
    if covered >= ENOUGH * len(wanted):
        print_log(f"The checkpoint {counts}", "current")
        return
    print_log(
        f"!!! PRETRAINED WEIGHTS DID NOT LOAD: the checkpoint {counts} (missing: "
        f"{', '.join(missing[:3])}, ...); the rest starts at random. Check that it is made for "
        "this depth, width and style, and that init_cfg has the prefix of its keys",
        "current",
        logging.WARNING,
    )
