"""The stamp of a result, as a hook of MMEngine's runner."""

from __future__ import annotations

import os
from typing import Any

from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.registry import HOOKS, DefaultScope
from mmengine.runner import Runner, find_latest_checkpoint
from torch.utils.data import Dataset

from snr_plugins.data.conditions import betas_of
from snr_plugins.nn import describe_network
from snr_plugins.openmmlab.image_size import describe_image_size
from snr_plugins.openmmlab.source_target import (
    adaptation_of,
    image_files,
    refuse_another_run,
    refuse_choice_by_target,
)
from snr_plugins.results import (
    describe_adaptation,
    describe_checkpoint,
    median_distances,
    versions,
    write_stamp,
)

FRAMEWORKS = ("torch", "mmengine", "mmcv")


@HOOKS.register_module()
class StampHook(Hook):
    """Writes ``stamp_val.json`` or ``stamp_test.json`` into the run's log folder, after the scores.

    Its line follows LoggerHook's, which prints the scores. What a network was adapted to travels in
    its checkpoints, so that a test in another process knows whether it tests on the same images.

    Args:
        metric: the score to compare, the last word of what the evaluators call it.
    """

    priority = "VERY_LOW"

    def __init__(self, metric: str = "mIoU") -> None:
        self.metric = metric
        self._distances: list[tuple[str, dict[str, float]]] = []  # of each image: domain, by SNR
        self._adaptation: dict | None = None

    def before_train(self, runner: Runner) -> None:
        """Refuse a choice of the network by the target's labels, and to resume a run of the source.

        Note what the network is adapted to.
        """
        dataset = runner.train_dataloader.dataset
        metrics = [] if runner.val_loop is None else runner.val_evaluator.metrics
        refuse_choice_by_target(runner.hooks, dataset, metrics)
        if domains := adaptation_of(dataset):
            source, target = domains
            refuse_another_run(runner, self._adaptation)
            self._adaptation = {
                "source": _name(source),
                "target": _name(target),
                "files": image_files(target),
            }

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self._adaptation:
            checkpoint["meta"]["adaptation"] = self._adaptation

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._adaptation = checkpoint.get("meta", {}).get("adaptation")

    # MMEngine's Hook calls these two in every phase

    def _before_epoch(self, runner: Runner, mode: str = "train") -> None:
        self._distances = []

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = "train",
    ) -> None:
        if mode == "train":  # the outputs are losses
            return
        for sample in outputs or ():
            if distances := sample.get("style_distance"):
                self._distances.append((sample.get("domain", "all"), distances))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._write(runner, "val", metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._write(runner, "test", metrics)

    def _write(self, runner: Runner, phase: str, metrics: dict[str, float] | None) -> None:
        images = [image for process in all_gather_object(self._distances) for image in process]
        if not is_main_process():
            return
        loader = runner.val_dataloader if phase == "val" else runner.test_dataloader
        parts = getattr(loader.dataset, "datasets", [loader.dataset])  # of a ConcatDataset
        stamp = {
            **self._of_adaptation(parts),
            "datasets": [_describe(part) for part in parts],
            "image_size": ", ".join(sorted({_image_size(part) for part in parts})),
            "test_time_augmentation": _tta(runner),
            "checkpoint": _checkpoint(runner, phase),
            "network": describe_network(runner.model),
            "seed": runner.seed,
            "versions": versions((*FRAMEWORKS, *_package())),
            "scores": dict(metrics or {}),
            "metric": self.metric,
            "domains": _domains(metrics or {}, parts, self.metric),
            "style_distance": {
                domain: median_distances([d for name, d in images if name == domain])
                for domain in dict.fromkeys(name for name, _ in images)
            },
        }
        runner.logger.info(write_stamp(os.path.join(runner.log_dir, f"stamp_{phase}.json"), stamp))

    def _of_adaptation(self, tested: list[Dataset]) -> dict:
        """Source and target of an adapted network, and how many tested images the target had."""
        if self._adaptation is None:
            return {}
        noted = self._adaptation
        scored = _all_files(tested)
        return {
            "adaptation": describe_adaptation(
                noted["source"], noted["target"], noted["files"], scored
            )
        }


def _all_files(parts: list[Dataset]) -> list[str] | None:
    """The images of all parts; None if one of them does not say which files it reads."""
    files = [image_files(part) for part in parts]
    return None if None in files else [path for part in files for path in part or ()]


def _domains(scores: dict[str, float], parts: list[Dataset], metric: str) -> dict[str, float]:
    """Domain to score: a metric's prefix is its domain; one without scores all parts together."""
    domains = {}
    for name, score in scores.items():
        prefix, _, last = name.rpartition("/")
        if last == metric:
            domains[prefix or ", ".join(dict.fromkeys(map(_name, parts)))] = score
    return domains


def _package() -> list[str]:
    """The OpenMMLab package whose scope the run is in, such as mmseg."""
    scope = DefaultScope.get_current_instance()
    return [scope.scope_name] if scope and scope.scope_name != "mmengine" else []


def _name(dataset: Dataset) -> str:
    return getattr(dataset, "domain", type(dataset).__name__)


def _describe(dataset: Dataset) -> dict:
    """Of any dataset: those of others may lack all but their length."""
    innermost = _innermost(dataset)
    layout = getattr(innermost, "layout", None)
    conditions = [condition.name for condition in layout.conditions] if layout else []
    return {
        "name": _name(dataset),
        "split": getattr(innermost, "split", None),
        "label_ids": getattr(dataset, "ids", None) or getattr(innermost, "label_ids", None),
        "folder": getattr(innermost, "data_prefix", {}).get("img_path"),
        "conditions": conditions,
        "betas": betas_of(conditions),
        "images": len(dataset),  # type: ignore[arg-type]  # torch leaves __len__ out
        "classes": list(getattr(dataset, "metainfo", {}).get("classes") or ()),
    }


def _image_size(dataset: Dataset) -> str:
    return describe_image_size(
        getattr(getattr(_innermost(dataset), "pipeline", None), "transforms", ())
    )


def _innermost(dataset: Dataset) -> Any:
    """What wrappers such as ``DomainDataset`` and ``RepeatDataset`` hold."""
    while hasattr(dataset, "dataset"):
        dataset = dataset.dataset
    return dataset


def _tta(runner: Runner) -> str:
    # a TTA model has the plain one as its ``module``, just as a DDP wrapper has
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return type(model).__name__ if isinstance(model, BaseTTAModel) else "none"


def _checkpoint(runner: Runner, phase: str) -> dict:
    if phase == "test" and not runner.iter:  # nothing was trained in this process
        latest = find_latest_checkpoint(runner.work_dir) if runner.cfg.get("resume") else None
        return describe_checkpoint(runner.cfg.get("load_from") or latest)
    # CheckpointHook runs before validation; what it wrote now bears this iteration's name.
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        number = runner.epoch if hook.by_epoch else runner.iter
        path = os.path.join(hook.out_dir, hook.filename_tmpl.format(number))
        if hook.last_ckpt == path and os.path.isfile(path):
            return describe_checkpoint(path, runner.iter)
    return describe_checkpoint(None, runner.iter)
