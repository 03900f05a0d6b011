"""Detectron2's DefaultTrainer with our evaluator and clear messages."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import replace

from detectron2.config import CfgNode
from detectron2.data import (
    DatasetMapper,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectron2.engine import DefaultTrainer, HookBase
from detectron2.engine.hooks import EvalHook
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import GeneralizedRCNNWithTTA
from detectron2.utils import comm
from torch import nn

from snr_plugins.detection.adaptation.config import training_pair
from snr_plugins.detection.backbone import report_coverage
from snr_plugins.detection.evaluation import StampedCOCOEvaluator, coco_evaluator
from snr_plugins.detection.mapper import NamingMapper
from snr_plugins.detection.meta_arch import Restitution
from snr_plugins.detection.photometric import photometric_mapper
from snr_plugins.detection.resuming import RandomNumbers, go_on_with_the_next_images
from snr_plugins.detection.stamp import Run
from snr_plugins.errors import InputError
from snr_plugins.nn import describe_network


class Trainer(DefaultTrainer):
    """DefaultTrainer with the COCO evaluator on fresh boxes and a report on pretrained weights."""

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_folder: str | None = None
    ) -> DatasetEvaluator:
        if output_folder is None:
            output_folder = os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
        return coco_evaluator(dataset_name, output_folder, Run.of(cfg))

    @classmethod
    def test(
        cls,
        cfg: CfgNode,
        model: nn.Module,
        evaluators: DatasetEvaluator | list[DatasetEvaluator] | None = None,
    ) -> OrderedDict:
        """As DefaultTrainer's; the stamps say what the network has inside."""
        if evaluators is None:
            evaluators = [cls.build_evaluator(cfg, name) for name in cfg.DATASETS.TEST]
        elif isinstance(evaluators, DatasetEvaluator):
            evaluators = [evaluators]
        for evaluator in evaluators:
            if isinstance(evaluator, StampedCOCOEvaluator) and evaluator.run is not None:
                evaluator.run = replace(evaluator.run, network=describe_network(model))
        return super().test(cfg, model, evaluators)

    @classmethod
    def test_with_TTA(cls, cfg: CfgNode, model: nn.Module) -> OrderedDict:
        """Scores under TEST.AUG, named ``bbox_TTA`` as by Detectron2's ``train_net.py``."""
        run = Run.of(cfg, augmented=True)
        evaluators = [
            coco_evaluator(name, os.path.join(cfg.OUTPUT_DIR, "inference_TTA", name), run)
            for name in cfg.DATASETS.TEST
        ]
        results = cls.test(cfg, GeneralizedRCNNWithTTA(cfg, model), evaluators)
        return OrderedDict((f"{name}_TTA", scores) for name, scores in results.items())

    def build_hooks(self) -> list[HookBase | None]:
        """With `RandomNumbers`; with TEST.AUG.ENABLED the end is scored twice, once augmented."""
        hooks = [RandomNumbers(), *super().build_hooks()]  # first: it sees the end of the step
        if self.cfg.TEST.AUG.ENABLED:
            last = max(i for i, hook in enumerate(hooks) if isinstance(hook, EvalHook))
            augmented = EvalHook(0, lambda: self.test_with_TTA(self.cfg, self.model))
            hooks.insert(last + 1, augmented)  # before the writers, which record its scores
        return hooks

    def resume_or_load(self, resume: bool = True) -> None:
        """As DefaultTrainer's; a run that ended before it wrote all of model_final writes it."""
        super().resume_or_load(resume)
        last = os.path.basename(self.checkpointer.get_checkpoint_file())
        if resume and self.start_iter >= self.max_iter and last != "model_final.pth":
            self.checkpointer.save("model_final", iteration=self.iter)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> object:
        """As DefaultTrainer's, but a resumed run goes on with the images that it would have seen.

        With INPUT.PHOTOMETRIC the colours of its images change.
        """
        mapper = photometric_mapper(cfg) if cfg.INPUT.PHOTOMETRIC else DatasetMapper(cfg, True)
        # a generator of its own: a seed drawn from the model's would shift the numbers of a run
        # that is resumed
        seed = cfg.SEED + comm.get_rank() if cfg.SEED >= 0 else None
        try:
            loader = build_detection_train_loader(cfg, mapper=NamingMapper(mapper), seed=seed)
        except AssertionError as error:  # get_detection_dataset_dicts: "No valid data found in ..."
            if "No valid data" not in str(error):
                raise
            names = ", ".join(cfg.DATASETS.TRAIN)
            raise InputError(
                f"DATASETS.TRAIN: no image of {names} has a box; train on labelled images"
            ) from None
        if training_pair(cfg) is None:  # whose order is its own
            go_on_with_the_next_images(loader, cfg.SOLVER.IMS_PER_BATCH)
        return loader

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str) -> object:
        """As DefaultTrainer's."""
        mapper = NamingMapper(DatasetMapper(cfg, False))
        return build_detection_test_loader(cfg, dataset_name, mapper=mapper)

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        if not isinstance(model, Restitution):  # which reports by itself
            report_coverage(model)
        return model
