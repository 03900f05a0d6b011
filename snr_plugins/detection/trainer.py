"""Detectron2's DefaultTrainer with our evaluator, the calibrated start and clear messages."""

from __future__ import annotations

import itertools
import logging
import os

from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from torch import nn

from snr_plugins.detection.backbone import report_coverage
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.meta_arch import SNRGeneralizedRCNN
from snr_plugins.detection.stamp import Run
from snr_plugins.errors import InputError
from snr_plugins.nn import calibrate, find_snr, untrained


class Trainer(DefaultTrainer):
    """DefaultTrainer with the COCO evaluator on fresh boxes and a report on pretrained weights."""

    def resume_or_load(self, resume: bool = True) -> None:
        """DefaultTrainer's; then, with ``MODEL.SNR.CALIBRATE``, the calibrated start."""
        super().resume_or_load(resume=resume)
        if self.cfg.MODEL.SNR.CALIBRATE > 0:
            self._calibrate(self.cfg.MODEL.SNR.CALIBRATE)

    def _calibrate(self, num_batches: int) -> None:
        logger = logging.getLogger("detectron2.snr_plugins")
        model = getattr(self._trainer.model, "module", self._trainer.model)
        names = untrained(model)
        if not names and find_snr(model):
            logger.info("SNR: gamma and beta stay as the checkpoint has them")
            return
        # a loader of its own: the training loader starts where it always starts
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATALOADER.NUM_WORKERS = 0
        batches = itertools.islice(self.build_train_loader(cfg), num_batches)
        images = calibrate(
            model,
            batches,
            lambda batch: model.backbone(model.preprocess_image(batch).tensor),
            only=names,
        )
        logger.info(
            "SNR: gamma and beta of %d modules start at the average style of %d images",
            len(names),
            images,
        )

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
        if not isinstance(model, SNRGeneralizedRCNN):  # which reports by itself
            report_coverage(model)
        return model
