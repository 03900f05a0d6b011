"""Source and target in one batch: the order of the frames, what the stamp says, what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from typing import Any

from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import DATA_SAMPLERS

from snr_plugins.errors import InputError
from snr_plugins.openmmlab.domain_turns import DomainTurnsSampler


@DATA_SAMPLERS.register_module()
class SourceTargetSampler(DomainTurnsSampler):
    """Frames of a source and a target by turns, without end: source, target, source, target.

    Args:
        dataset: a ``ConcatDataset`` of two, the source first.
        seed: as of `DomainTurnsSampler`.

    Raises:
        InputError: the dataset is none of two parts.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        parts = getattr(dataset, "datasets", ())
        if len(parts) != 2:
            raise InputError(
                f"SourceTargetSampler needs a source and a target, and train_dataloader.dataset is "
                f"a {type(dataset).__name__} of {len(parts) or 1}: set its type to "
                "SourceTargetDataset."
            )
        super().__init__(dataset, seed)


def adaptation_of(dataset: Any) -> tuple[Any, Any] | None:
    """Source and target of a training dataset that holds both; None for any other."""
    both = hasattr(dataset, "source") and hasattr(dataset, "target")
    return (dataset.source, dataset.target) if both else None


def image_files(dataset: Any) -> list[str] | None:
    """The images of a dataset, each as the file that it is in the end.

    None of a dataset that does not say which files it reads, as anybody's may.
    """
    try:
        paths = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
    except (AttributeError, KeyError):
        return None
    return [os.path.realpath(path) for path in paths]


def refuse_choice_by_target(hooks: Iterable[Hook], dataset: Any) -> None:
    """No network of an adaptation may be chosen by scores on the target, whose labels are the test.

    Args:
        hooks: the runner's.
        dataset: that it trains on.

    Raises:
        InputError: a ``CheckpointHook`` has ``save_best`` of the target's scores, or of none in
            particular.
    """
    domains = adaptation_of(dataset)
    if domains is None:
        return
    target = getattr(domains[1], "domain", "")
    for hook in hooks:
        wanted = getattr(hook, "save_best", None) if isinstance(hook, CheckpointHook) else None
        for metric in [wanted] if isinstance(wanted, str) else wanted or []:
            scored, _, _ = metric.rpartition("/")
            if scored in ("", target):
                raise InputError(
                    f"save_best={metric!r} would choose the network by labels of the target "
                    f"{target!r}, which nobody has: leave save_best out, so that the last "
                    "iteration is scored, or name a score on the source."
                )
