"""Detectron2's DefaultTrainer with our evaluator and clear messages."""

from __future__ import annotations

import os

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from torch import nn

from snr_plugins.detection.backbone import report_coverage
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.meta_arch import Restitution
from snr_plugins.detection.stamp import Run
from snr_plugins.errors import InputError


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
    def build_train_loader(cls, cfg: CfgNode) -> object:
        try:
            return super().build_train_loader(cfg)
        except AssertionError as error:  # get_detection_dataset_dicts: "No valid data found in ..."
            if "No valid data" not in str(error):
                raise
            names = ", ".join(cfg.DATASETS.TRAIN)
            raise InputError(
                f"DATASETS.TRAIN: no image of {names} has a box; train on labelled images"
            ) from None

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        model = super().build_model(cfg)
        if not isinstance(model, Restitution):  # which reports by itself
            report_coverage(model)
        return model
