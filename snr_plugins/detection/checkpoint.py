"""Say how much of a backbone a checkpoint really filled."""

from __future__ import annotations

import logging

from torch import nn

ENOUGH = 0.9  # of the tensors; a real checkpoint of the same network covers them all


def report_coverage(model: nn.Module) -> None:
    """Whenever ``model`` is loaded, log how much of its backbone the checkpoint covered.

    A checkpoint with other names or widths is accepted by Detectron2's checkpointer, which loads
    what matches and lists the rest among much else; training then starts from noise. Being a hook
    of the model, this works under every launcher. Of an FPN the ``bottom_up`` counts, the part
    that is pretrained; SNR's own tensors, new by design, do not.
    """
    model.register_load_state_dict_post_hook(_report)


def _report(model: nn.Module, incompatible: object) -> None:
    logger = logging.getLogger("detectron2.snr_plugins")
    new = [key for key in incompatible.missing_keys if ".snr." in key]
    if new:
        logger.warning(
            "The checkpoint lacks %d SNR tensors (%s, ...): right for starting from a plain "
            "detector, wrong for evaluating or resuming one with SNR",
            len(new),
            new[0],
        )
    lost = [key for key in incompatible.unexpected_keys if ".snr." in key]
    if lost:
        logger.warning(
            "!!! The checkpoint has %d SNR tensors (%s, ...) that this model lacks; use the config "
            "that it was trained with",
            len(lost),
            lost[0],
        )
    wanted = _pretrained_keys(model)
    missing = sorted(wanted.intersection(incompatible.missing_keys))
    covered = len(wanted) - len(missing)
    counts = f"the checkpoint covers {covered} of the backbone's {len(wanted)} tensors"
    if covered >= ENOUGH * len(wanted):
        logger.info(counts[0].upper() + counts[1:])
        return
    logger.warning(
        "!!! PRETRAINED WEIGHTS DID NOT LOAD: %s (missing: %s, ...); the rest starts at random. "
        "Check that MODEL.WEIGHTS is made for this depth and width; if only the prefix of its "
        "keys differs, as in a bare backbone's file, append ?matching_heuristics=True to the path",
        counts,
        ", ".join(missing[:3]),
    )


def _pretrained_keys(model: nn.Module) -> set[str]:
    prefix, part = "backbone", model.backbone
    if hasattr(part, "bottom_up"):
        prefix, part = "backbone.bottom_up", part.bottom_up
    # Running statistics do not count: FrozenBatchNorm2d never reports them missing.
    names = (key for key in part.state_dict() if not key.endswith(("_mean", "_var", "_tracked")))
    return {f"{prefix}.{key}" for key in names if ".snr." not in key}
