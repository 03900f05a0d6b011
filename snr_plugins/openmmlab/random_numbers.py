"""A training that was interrupted goes on with the random numbers that it would have drawn."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

ENTRY = "random_numbers"  # of a checkpoint


@HOOKS.register_module()
class RandomNumbersHook(Hook):
    """Models draw the same numbers whether something happens between iterations or not.

    MMEngine's loop brings a resumed run to the images that it would have seen. Dropout and the like
    draw from torch's generators, whose state this hook keeps from the end of an iteration to the
    beginning of the next, and in every checkpoint; neither an interruption nor a validation draws
    any of them. One process alone: a checkpoint has the state of the main one.
    """

    priority = "VERY_HIGH"

    def __init__(self) -> None:
        self._state: dict | None = None

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0:  # weights of another run were loaded, if any
            self._state = None

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        if self._state is not None:
            _set_state(self._state)

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self._state = _get_state()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if get_world_size() == 1 and self._state is not None:
            checkpoint[ENTRY] = self._state

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._state = checkpoint.get(ENTRY) if get_world_size() == 1 else None


def _get_state() -> dict:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"torch": torch.get_rng_state(), "cuda": cuda}


def _set_state(state: dict) -> None:
    torch.set_rng_state(state["torch"].cpu())  # it was loaded to the model's device
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda"]])


@contextlib.contextmanager
def drawing_nothing() -> Iterator[None]:
    """What this block draws is drawn again after it: a resumed run may leave it out."""
    kept, of_numpy, of_python = _get_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        _set_state(kept)
        np.random.set_state(of_numpy)
        random.setstate(of_python)
