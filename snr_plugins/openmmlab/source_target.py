"""Source and target in one batch: the order of the frames, what the stamp says, what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner

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


def refuse_choice_by_target(
    hooks: Iterable[Hook], dataset: Any, metrics: Iterable[BaseMetric] = ()
) -> None:
    """A network of an adaptation may be chosen by scores on the source; all others are the test.

    Args:
        hooks: the runner's.
        dataset: that it trains on.
        metrics: of its validation, whose ``prefix`` stands before the scores of their ``domain``.

    Raises:
        InputError: a ``CheckpointHook`` has ``save_best`` of another domain's scores, or of none in
            particular.
    """
    both = adaptation_of(dataset)
    if both is None:
        return
    source, target = map(_domains_of, both)
    scored = {metric.prefix: metric.domain for metric in metrics if hasattr(metric, "domain")}
    for hook in hooks:
        wanted = getattr(hook, "save_best", None) if isinstance(hook, CheckpointHook) else None
        for metric in [wanted] if isinstance(wanted, str) else wanted or []:
            prefix, _, _ = metric.rpartition("/")
            if scored.get(prefix, prefix) not in source - target:
                names = " or ".join(map(repr, sorted(source))) or "which names no domain"
                raise InputError(
                    f"save_best={metric!r} is no score on the source, {names}, and would choose "
                    "the network by labels that nobody has of the target: leave save_best out, so "
                    "that the last iteration is scored, or name a score on the source, whose "
                    "training dataset says by domain=... which that is."
                )


def _domains_of(dataset: Any) -> set[str]:
    """The domains that a dataset is scored as, or that those which it wraps are."""
    if domain := getattr(dataset, "scored", None) or getattr(dataset, "domain", None):
        return {domain}
    parts = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    return {domain for part in parts if part is not None for domain in _domains_of(part)}


def refuse_another_run(runner: Runner, adaptation: dict | None) -> None:
    """No adaptation goes on from the network that it starts from.

    MMEngine's ``load_or_resume`` takes ``load_from`` before the work folder's latest checkpoint.

    Args:
        runner: before its first iteration.
        adaptation: what the checkpoint that was loaded says of one, None if nothing.

    Raises:
        InputError: the run was resumed from a checkpoint of a training without a target.
    """
    start, folder = runner.cfg.get("load_from"), os.path.realpath(runner.work_dir)
    inside = start and os.path.realpath(start).startswith(folder + os.sep)
    if runner.iter > 0 and start and not inside and adaptation is None:
        raise InputError(
            f"--resume went on from load_from, {start}, a training without a target: add "
            f"--cfg-options load_from=None, and the latest checkpoint in {runner.work_dir} is "
            "taken, as python -m snr_plugins.train does by itself"
        )
