"""Detectron2's DefaultTrainer, and the checks that belong before it."""

from __future__ import annotations

import itertools
import logging
import os

import torch
import yaml
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.backbone import BACKBONE_REGISTRY
from torch import nn

from snr_plugins.detection.catalogue import check_class_count
from snr_plugins.detection.checkpoint import report_coverage
from snr_plugins.detection.config import add_snr_config
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


def load_config(config_file: str, overrides: list[str]) -> CfgNode:
    """The frozen config of ``config_file`` with ``KEY VALUE`` overrides, checked.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown or has the wrong type, a
            component is not registered, the device is absent, or the class count is wrong.
    """
    cfg = get_cfg()
    add_snr_config(cfg)
    if not os.path.isfile(config_file):
        raise InputError(f"config file not found: {config_file}; see configs/detection/")
    if config_file.endswith(".py"):
        raise InputError(
            f"{config_file} is a LazyConfig: run it with Detectron2's lazyconfig_train_net.py"
        )
    try:
        cfg.merge_from_file(config_file)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" near line {where.line + 1}" if where else ""
        raise InputError(f"{config_file} is not valid YAML{line}") from None
    except (TypeError, AttributeError):
        raise InputError(f"{config_file} must hold a mapping of config keys") from None
    except (KeyError, ValueError, AssertionError, OSError) as error:
        raise InputError(f"{config_file}: {_reason(error, cfg)}") from None
    try:
        cfg.merge_from_list(overrides)
    except (KeyError, ValueError, AssertionError) as error:
        raise InputError(f"command line: {_reason(error, cfg)}") from None
    _check(cfg)
    cfg.freeze()
    return cfg


def _reason(error: Exception, cfg: CfgNode) -> str:
    if isinstance(error, OSError):
        return str(error)
    reason = str(error.args[0]) if error.args else type(error).__name__
    if "Non-existent" in reason and "MODEL.SNR" in reason:
        reason += f" (the keys are {', '.join(f'MODEL.SNR.{key}' for key in cfg.MODEL.SNR)})"
    return reason


def _check(cfg: CfgNode) -> None:
    for key, name, registry in (
        ("MODEL.META_ARCHITECTURE", cfg.MODEL.META_ARCHITECTURE, META_ARCH_REGISTRY),
        ("MODEL.BACKBONE.NAME", cfg.MODEL.BACKBONE.NAME, BACKBONE_REGISTRY),
    ):
        if name not in registry:
            known = ", ".join(sorted(entry for entry, _ in registry))
            raise InputError(f"{key}: '{name}' is not registered; choose from: {known}")
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(
            f"MODEL.DEVICE is {cfg.MODEL.DEVICE} but torch sees no GPU; add MODEL.DEVICE cpu"
        )
    weights = cfg.MODEL.WEIGHTS.split("?")[0]  # without Detectron2's ?matching_heuristics=True
    if weights and "://" not in weights and not os.path.isfile(weights):
        raise InputError(
            f"MODEL.WEIGHTS: {weights} does not exist; name a checkpoint, or give '' to start from "
            "random weights"
        )
    if not cfg.DATASETS.TRAIN:
        raise InputError(
            "DATASETS.TRAIN is empty; name a dataset such as synthetic_city_clear_train"
        )
    check_class_count(cfg.MODEL.ROI_HEADS.NUM_CLASSES, [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
