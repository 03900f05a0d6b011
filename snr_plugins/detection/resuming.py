"""A training that was interrupted goes on as if it had not been."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.engine import HookBase
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage, has_event_storage
from torch.utils.data import Sampler


def iterations_done() -> int:
    """Of the training whose loader begins: in its first step, so workers inherit its storage."""
    return get_event_storage().iter if has_event_storage() else 0


class ResumedSampler(Sampler):
    """What another sampler yields, but for what the iterations before this one have taken.

    Args:
        sampler: endless, in an order that the config's seed decides, as all of Detectron2's.
        batch: images in each process's batch.
    """

    def __init__(self, sampler: Sampler, batch: int) -> None:
        self.sampler = sampler
        self.batch = batch

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(self.sampler, iterations_done() * self.batch, None)


def go_on_with_the_next_images(loader: object, images: int) -> None:
    """Let a loader of `build_detection_train_loader` begin where the last iteration stopped.

    Args:
        loader: of a list of images.
        images: in the batches of all processes together.
    """
    grouped = isinstance(loader, AspectRatioGroupedDataset)
    indexed = loader.dataset.dataset if grouped else loader.dataset  # type: ignore[attr-defined]
    indexed.sampler = ResumedSampler(indexed.sampler, images // comm.get_world_size())


class RandomNumbers(HookBase):
    """Steps draw the same numbers whether something happens between them or not.

    Neither an interruption nor a test draws any of them: the generators' state is kept from the end
    of a step to the beginning of the next, and in every checkpoint. One process alone: a checkpoint
    has the state of the main one.
    """

    def __init__(self) -> None:
        self._state: dict | None = None

    def before_step(self) -> None:
        if self._state is not None:
            _set_state(self._state)

    def after_step(self) -> None:
        self._state = _get_state()

    def state_dict(self) -> dict:
        alone = comm.get_world_size() == 1
        return self._state if alone and self._state is not None else {}

    def load_state_dict(self, state: dict) -> None:
        if comm.get_world_size() == 1:
            self._state = state


def _get_state() -> dict:
    """Tensors and plain values, which ``torch.load`` reads with ``weights_only``."""
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), *rest],
    }


def _set_state(state: dict) -> None:
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
