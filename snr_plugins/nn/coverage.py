"""Say how much of a backbone a checkpoint really filled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from snr_plugins.nn.layers import LAYERS
from snr_plugins.nn.style import find_layers

ENOUGH = 0.9  # of the tensors; a real checkpoint of the same network covers them all


class CoverageReport:
    """Whenever a backbone is loaded, alone or inside a model, logs how much was covered.

    Both frameworks load what matches and list the rest among much else; a checkpoint with other
    names or widths then leaves a network of noise. As a hook of the module this works under every
    launcher. It looks before loading, because MMEngine does not call a tensor of another shape
    missing. Style layers' own tensors, new by design, do not count. An object and no closure, so
    that the model can be pickled and copied.

    Args:
        log: called with a level of ``logging`` and a sentence; a function of a module.
        hint: what to check when little was covered.
        ignored: ends of the names of tensors that a good checkpoint may lack.
    """

    def __init__(
        self,
        log: Callable[[int, str], None],
        hint: str,
        ignored: tuple[str, ...] = ("num_batches_tracked",),
    ) -> None:
        self.log = log
        self.hint = hint
        self.ignored = ignored

    def attach(self, backbone: nn.Module) -> None:
        """Report on every load of ``backbone``, the part that is pretrained."""
        # with_module: torch's public form without it (2.1 to now) does not hand over the module
        backbone._register_load_state_dict_pre_hook(self, with_module=True)

    def __call__(
        self, backbone: nn.Module, loaded: dict[str, Tensor], prefix: str, *_: object
    ) -> None:
        layers = find_layers(backbone)
        ours = tuple(f"{name}." for name in layers)
        own = backbone.state_dict()
        new = [k for k in own if k.startswith(ours) and not fits(loaded, prefix + k, own[k])]
        if new:
            self.log(
                logging.WARNING,
                f"The checkpoint lacks {len(new)} SNR tensors ({new[0]}, ...): right for starting "
                "from a plain network, wrong for testing or resuming one with SNR",
            )
        names = (key.removeprefix(prefix) for key in loaded if key.startswith(prefix))
        lost = [name for name in names if name not in own and is_added(name)]
        if lost:
            self.log(
                logging.WARNING,
                f"!!! The checkpoint has {len(lost)} SNR tensors ({lost[0]}, ...) that this model "
                "lacks; use the config that it was trained with",
            )
        wanted = [k for k in own if not k.startswith(ours) and not k.endswith(self.ignored)]
        missing = [key for key in wanted if not fits(loaded, prefix + key, own[key])]
        covered = len(wanted) - len(missing)
        counts = f"covers {covered} of the backbone's {len(wanted)} tensors"
        if covered >= ENOUGH * len(wanted):
            self.log(logging.INFO, f"The checkpoint {counts}")
            return
        self.log(
            logging.WARNING,
            f"!!! PRETRAINED WEIGHTS DID NOT LOAD: the checkpoint {counts} (missing or of another "
            f"shape: {', '.join(missing[:3])}, ...); the rest starts at random. {self.hint}",
        )


def is_added(name: str) -> bool:
    """Whether a tensor of this name is a style layer's."""
    return any(f".{layer.child_name}." in name for layer in LAYERS.values())


def describe_difference(own: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> str | None:
    """What is said of a checkpoint that was written by another model; None of one by the same.

    Args:
        own, saved: the tensors of the model and of the checkpoint by name.
    """
    common = own.keys() & saved.keys()
    for verb, names in (
        ("lacks", own.keys() - common),
        ("has, and this model lacks,", saved.keys() - common),
        ("has another shape of", {n for n in common if own[n].shape != saved[n].shape}),
    ):
        if names:
            others = f" and {len(names) - 1} more" if len(names) > 1 else ""
            return f"{verb} {min(names)}{others}"
    return None


def fits(loaded: Mapping[str, Tensor], key: str, own: Tensor) -> bool:
    """Whether a tensor of this name was loaded, in the shape of the network's own."""
    return key in loaded and loaded[key].shape == own.shape
