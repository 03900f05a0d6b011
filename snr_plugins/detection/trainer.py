"""Detectron2's DefaultTrainer, and the checks that belong before it."""

from __future__ import annotations

import os

import torch
from detectron2.config import CfgNode, get_cfg
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.backbone import BACKBONE_REGISTRY
from torch import nn

from snr_plugins.detection.checkpoint import report_coverage
from snr_plugins.detection.config import add_snr_config
from snr_plugins.detection.datasets import check_class_count
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.meta_arch import SNRGeneralizedRCNN
from snr_plugins.errors import InputError


class Trainer(DefaultTrainer):
    """DefaultTrainer with the COCO evaluator on fresh boxes and a report on pretrained weights."""

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_folder: str | None = None
    ) -> DatasetEvaluator:
        if output_folder is None:
            output_folder = os.path.join(cfg.OUTPUT_DIR, "inference", dataset_name)
        return coco_evaluator(dataset_name, output_folder)

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
    try:
        cfg.merge_from_file(config_file)
    except (KeyError, ValueError, AssertionError) as error:
        raise InputError(f"{config_file}: {_reason(error, cfg)}") from None
    try:
        cfg.merge_from_list(overrides)
    except (KeyError, ValueError, AssertionError) as error:
        raise InputError(f"command line: {_reason(error, cfg)}") from None
    _check(cfg)
    cfg.freeze()
    return cfg


def _reason(error: Exception, cfg: CfgNode) -> str:
    reason = str(error.args[0]) if error.args else type(error).__name__
    if "MODEL.SNR" in reason:
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
    check_class_count(cfg.MODEL.ROI_HEADS.NUM_CLASSES, [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST])
