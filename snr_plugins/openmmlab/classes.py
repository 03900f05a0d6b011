"""The classes of the datasets are the network's: as many, and each under one number everywhere.

OpenMMLab compares neither; labels would be learned or scored under other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from snr_plugins.errors import InputError


def check_classes(runner: Runner, eval_only: bool) -> None:
    """Compare the datasets of a run with the model's heads, and that of the validation with what is
    trained on.

    Raises:
        InputError: the numbers of classes differ, or a class has another number.
    """
    if eval_only:
        _check_count(runner, "test")
        return
    _check_count(runner, "train")
    if runner.val_loop is not None:
        _check_count(runner, "val")
        _check_numbers(_classes(runner, "train"), _classes(runner, "val"), "val", "training")


class SameClassesHook(Hook):
    """Refuses to test a checkpoint on a dataset whose classes have other numbers."""

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        # mmengine/hooks/checkpoint_hook.py: of what was trained on, if MMEngine has written it
        meta = checkpoint.get("meta", {}).get("dataset_meta") or {}
        classes = meta.get("classes") or ()
        _check_numbers(classes, _classes(runner, "test"), "test", "the checkpoint's training")


def _classes(runner: Runner, phase: str) -> Sequence[str]:
    """Of the ``phase``'s dataset, by their numbers; empty where it does not say."""
    loop = getattr(runner, f"{phase}_loop")
    return loop.dataloader.dataset.metainfo.get("classes") or ()


def _check_numbers(
    trained: Sequence[str], tested: Sequence[str], phase: str, training: str
) -> None:
    """Names that only one of them has may be other words for the same."""
    for number, name in enumerate(tested):
        if name in trained and name not in trained[number : number + 1]:
            raise InputError(
                f"{phase}_dataloader's dataset has '{name}' as its class {number}, and "
                f"{training} as {list(trained).index(name)}: give both datasets the same "
                "metainfo.classes"
            )


def _check_count(runner: Runner, phase: str) -> None:
    classes = _classes(runner, phase)
    model = getattr(runner.model, "module", runner.model)
    for name, head in model.named_modules():
        # the heads of all OpenMMLab packages have both, and no base class in common that says so
        is_head = "head" in name and hasattr(head, "loss")
        count = getattr(head, "num_classes", None) if is_head else None
        if classes and count not in (None, len(classes)):
            raise InputError(
                f"model.{name}.num_classes is {count} but {phase}_dataloader's dataset "
                f"has {len(classes)} classes; set it to {len(classes)}"
            )
