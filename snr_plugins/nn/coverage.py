"""Say how much of a backbone a checkpoint really filled."""

from __future__ import annotations

import logging
from collections.abc import Callable

from torch import Tensor, nn

ENOUGH = 0.9  # of the tensors; a real checkpoint of the same network covers them all


def report_coverage(
    backbone: nn.Module,
    log: Callable[[int, str], None],
    hint: str,
    ignored: tuple[str, ...] = ("num_batches_tracked",),
) -> None:
    """Whenever ``backbone`` is loaded, alone or inside a model, log how much was covered.

    Both frameworks load what matches and list the rest among much else; a checkpoint with other
    names or widths then leaves a network of noise. As a hook of the module this works under every
    launcher. It looks before loading, because MMEngine does not call a tensor of another shape
    missing. SNR's own tensors, new by design, do not count.

    Args:
        backbone: the part that is pretrained.
        log: called with a level of ``logging`` and a sentence.
        hint: what to check when little was covered.
        ignored: ends of the names of tensors that a good checkpoint may lack.
    """

    def report(module: nn.Module, loaded: dict[str, Tensor], prefix: str, *_: object) -> None:
        own = module.state_dict()
        wanted = [key for key in own if ".snr." not in key and not key.endswith(ignored)]
        missing = [key for key in wanted if not _fits(loaded, prefix + key, own[key])]
        new = [key for key in own if ".snr." in key and not _fits(loaded, prefix + key, own[key])]
        if new:
            log(
                logging.WARNING,
                f"The checkpoint lacks {len(new)} SNR tensors ({new[0]}, ...): right for starting "
                "from a plain network, wrong for testing or resuming one with SNR",
            )
        names = (key.removeprefix(prefix) for key in loaded if key.startswith(prefix))
        lost = [name for name in names if ".snr." in name and name not in own]
        if lost:
            log(
                logging.WARNING,
                f"!!! The checkpoint has {len(lost)} SNR tensors ({lost[0]}, ...) that this model "
                "lacks; use the config that it was trained with",
            )
        covered = len(wanted) - len(missing)
        counts = f"covers {covered} of the backbone's {len(wanted)} tensors"
        if covered >= ENOUGH * len(wanted):
            log(logging.INFO, f"The checkpoint {counts}")
            return
        log(
            logging.WARNING,
            f"!!! PRETRAINED WEIGHTS DID NOT LOAD: the checkpoint {counts} (missing or of another "
            f"shape: {', '.join(missing[:3])}, ...); the rest starts at random. {hint}",
        )

    # with_module: torch's public form without it (2.0 to now) does not hand over the module
    backbone._register_load_state_dict_pre_hook(report, with_module=True)


def _fits(loaded: dict[str, Tensor], key: str, own: Tensor) -> bool:
    return key in loaded and loaded[key].shape == own.shape
