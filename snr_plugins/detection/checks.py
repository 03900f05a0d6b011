"""What a run needs beside a readable config: looked at once, before anything is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.engine import DefaultTrainer
from detectron2.modeling import (
    META_ARCH_REGISTRY,
    GeneralizedRCNN,
    PanopticFPN,
    ProposalNetwork,
    RetinaNet,
    SemanticSegmentor,
    build_backbone,
)
from detectron2.utils import comm
from torch import nn

from snr_plugins.detection.adaptation.adversarial import DomainAdversarial
from snr_plugins.detection.adaptation.config import check_adaptation
from snr_plugins.detection.adaptation.mean_teacher import MeanTeacher
from snr_plugins.detection.catalogue import check_class_count, class_names, labelled_part
from snr_plugins.detection.checkpoint_checks import check_resumed, check_tested
from snr_plugins.errors import InputError

Detector = Callable[[CfgNode], nn.Module]  # what is registered: a class, or a function
# What a head learns from, and the field of every box that holds it.
LABELS_OF_HEADS = {"MODEL.MASK_ON": "segmentation", "MODEL.KEYPOINT_ON": "keypoints"}


def check_run(cfg: CfgNode, eval_only: bool = False, resume: bool = False) -> None:
    """Make sure that a config of `snr_plugins.detection.config.load_config` can be run.

    Training needs DATASETS.TRAIN; without DATASETS.TEST it is not evaluated. Evaluation needs
    DATASETS.TEST alone.

    Args:
        cfg: the config.
        eval_only: whether it is evaluated alone.
        resume: whether the last checkpoint in OUTPUT_DIR is gone on from.

    Raises:
        InputError: datasets, architecture, precision, checkpoint or OUTPUT_DIR do not fit.
    """
    detector = META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)
    _check_architecture(cfg, detector)
    key = "DATASETS.TEST" if eval_only else "DATASETS.TRAIN"
    if not (cfg.DATASETS.TEST if eval_only else cfg.DATASETS.TRAIN):
        raise InputError(f"{key} is empty; name a dataset such as synthetic_city_clear_train")
    if cfg.SOLVER.AMP.ENABLED and not eval_only and not cfg.MODEL.DEVICE.startswith("cuda"):
        raise InputError(
            f"SOLVER.AMP.ENABLED needs a GPU but MODEL.DEVICE is {cfg.MODEL.DEVICE}; set "
            "SOLVER.AMP.ENABLED to False"
        )
    if not eval_only:
        check_adaptation(cfg, _is_a(detector, DomainAdversarial, MeanTeacher))
        _check_batch(cfg)
    _check_classes(cfg, detector, cfg.DATASETS.TEST if eval_only else _all_datasets(cfg))
    if _is_a(detector, GeneralizedRCNN):
        _check_labels_of_heads(cfg, eval_only)
    on_cpu = cfg.clone()  # frozen
    on_cpu.defrost()
    on_cpu.MODEL.DEVICE = "cpu"
    _check_features(on_cpu, detector)
    goes_on = resume and check_resumed(on_cpu, trains=not eval_only)
    if eval_only and not goes_on:
        check_tested(on_cpu)
    _check_output_dir(cfg.OUTPUT_DIR)


def _check_architecture(cfg: CfgNode, detector: Detector) -> None:
    name = cfg.MODEL.META_ARCHITECTURE
    if _is_a(detector, PanopticFPN, SemanticSegmentor):
        raise InputError(
            f"MODEL.META_ARCHITECTURE {name} learns from labels of pixels, boxes alone are read "
            "and scored here; take a detector such as SNRGeneralizedRCNN, or Detectron2's own "
            "train_net.py"
        )
    if cfg.TEST.AUG.ENABLED and not _is_a(detector, GeneralizedRCNN):
        raise InputError(
            f"TEST.AUG.ENABLED: Detectron2 augments the test images of GeneralizedRCNN alone, not "
            f"of {name}; set TEST.AUG.ENABLED to False"
        )
    for key in ("KEYPOINT_ON", "LOAD_PROPOSALS"):
        if cfg.TEST.AUG.ENABLED and cfg.MODEL[key]:
            raise InputError(
                f"TEST.AUG.ENABLED: Detectron2 augments no test images with MODEL.{key}; set "
                "TEST.AUG.ENABLED to False"
            )


def _check_batch(cfg: CfgNode) -> None:
    processes = comm.get_world_size()
    images = DefaultTrainer.auto_scale_workers(cfg, processes).SOLVER.IMS_PER_BATCH
    if images < 1 or images % processes:
        raise InputError(
            f"SOLVER.IMS_PER_BATCH is {images}, the images of all processes together, and there "
            f"are {processes}; take a multiple of {processes}"
        )


def _is_a(detector: Detector, *bases: type[nn.Module]) -> bool:
    return isinstance(detector, type) and issubclass(detector, bases)


def _all_datasets(cfg: CfgNode) -> list[str]:
    return [*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST]


def _check_classes(cfg: CfgNode, detector: Detector, names: Sequence[str]) -> None:
    if _is_a(detector, ProposalNetwork):  # boxes of no class
        for name in names:
            class_names(name)
        for name in cfg.DATASETS.TEST:
            # pycocotools' getAnnIds takes an id that is a text for a list of its letters
            if any(isinstance(record["image_id"], str) for record in DatasetCatalog.get(name)):
                raise InputError(
                    f"MODEL.META_ARCHITECTURE {cfg.MODEL.META_ARCHITECTURE}: Detectron2 scores "
                    f"proposals of images whose ids are numbers, and {name} has names; set "
                    "DATASETS.TEST to (), or take a detector"
                )
        return
    section = _classes_section(cfg, detector)
    check_class_count(cfg.MODEL[section].NUM_CLASSES, names, f"MODEL.{section}.NUM_CLASSES")


def _classes_section(cfg: CfgNode, detector: Detector) -> str:
    """The section of MODEL that counts the classes.

    One-stage detectors have one of their own that bears their name, MODEL.RETINANET for one, or the
    name of their MODEL.PROPOSAL_GENERATOR, as AdelaiDet's FCOS; the others MODEL.ROI_HEADS.
    """
    names = [base.__name__ for base in getattr(detector, "__mro__", (detector,))]
    if not _is_a(detector, GeneralizedRCNN):
        names.append(cfg.MODEL.PROPOSAL_GENERATOR.NAME)
    for name in names:
        if "NUM_CLASSES" in cfg.MODEL.get(name.upper(), {}):
            return name.upper()
    return "ROI_HEADS"


def _check_labels_of_heads(cfg: CfgNode, eval_only: bool) -> None:
    """Masks and keypoints that the config asks for are there for every box.

    The framework drops groups (``iscrowd``) in training, and scores against all that there is.
    """
    asked = {key: field for key, field in LABELS_OF_HEADS.items() if cfg.MODEL[key.split(".")[1]]}
    for name in dict.fromkeys(cfg.DATASETS.TEST if eval_only else _all_datasets(cfg)):
        if not asked:
            return
        tested = name in cfg.DATASETS.TEST
        boxes = [
            box
            for record in DatasetCatalog.get(labelled_part(name))
            for box in record.get("annotations", ())
            if tested or not box.get("iscrowd")
        ]
        for key, field in asked.items():
            if without := sum(field not in box for box in boxes):
                raise InputError(
                    f"{key} is True but {without} of the {len(boxes)} boxes of {name} have no "
                    f"{field}; set {key} to False"
                )
        if not eval_only and name in cfg.DATASETS.TRAIN:
            _check_forms_of_labels(cfg, name, boxes)


def _check_forms_of_labels(cfg: CfgNode, name: str, boxes: Sequence[dict]) -> None:
    """Detectron2's DatasetMapper can train on them."""
    coded = sum(
        isinstance(box.get("segmentation"), dict) for box in boxes if not box.get("iscrowd")
    )
    if cfg.MODEL.MASK_ON and cfg.INPUT.MASK_FORMAT == "polygon" and coded:
        raise InputError(
            f"INPUT.MASK_FORMAT is polygon but {coded} of the {len(boxes)} masks of {name} are run "
            "lengths; set INPUT.MASK_FORMAT to bitmask"
        )
    lacking = [
        key
        for key in ("keypoint_names", "keypoint_flip_map")
        if MetadataCatalog.get(name).get(key) is None
    ]
    if cfg.MODEL.KEYPOINT_ON and lacking:
        raise InputError(
            f"MODEL.KEYPOINT_ON is True but {name} does not say its {lacking[0]}, which mirrored "
            f"images need; write MetadataCatalog.get('{name}').set(keypoint_names=[...], "
            "keypoint_flip_map=[(left, right), ...]) behind its registration"
        )


def _check_features(cfg: CfgNode, detector: Detector) -> None:
    """The backbone puts out what the heads take, with anchors for each: RetinaNet's FPN has p7."""
    if _is_a(detector, RetinaNet):
        anchored, sections = "RETINANET", ["RETINANET"]
    elif _is_a(detector, GeneralizedRCNN, ProposalNetwork):
        anchored, sections = "RPN", ["RPN"]
        if _is_a(detector, GeneralizedRCNN):
            sections.append("ROI_HEADS")
        if cfg.MODEL.PROPOSAL_GENERATOR.NAME != "RPN":  # somebody else's, or ready-made boxes
            sections.remove("RPN")
    else:
        return
    outputs = build_backbone(cfg).output_shape()
    for section in sections:
        features = cfg.MODEL[section].IN_FEATURES
        if absent := [name for name in features if name not in outputs]:
            raise InputError(
                f"MODEL.{section}.IN_FEATURES: MODEL.BACKBONE.NAME {cfg.MODEL.BACKBONE.NAME} puts "
                f"out {', '.join(outputs)}, not {', '.join(absent)}; take others, or another "
                "backbone, such as build_retinanet_resnet_fpn_backbone, of p3 to p7"
            )
        if section == anchored:
            _check_anchors(cfg, section)


def _check_anchors(cfg: CfgNode, section: str) -> None:
    features = len(cfg.MODEL[section].IN_FEATURES)
    for key in ("SIZES", "ASPECT_RATIOS"):
        given = cfg.MODEL.ANCHOR_GENERATOR[key]
        for_each = bool(given) and isinstance(given[0], (list, tuple))  # numbers are for all
        if for_each and len(given) not in (1, features):
            raise InputError(
                f"MODEL.ANCHOR_GENERATOR.{key} has {len(given)} lists for the {features} features "
                f"of MODEL.{section}.IN_FEATURES; give one for each, or one for all"
            )


def _check_output_dir(folder: str) -> None:
    if "://" in folder:  # Detectron2's PathManager knows
        return
    if not folder:
        raise InputError("OUTPUT_DIR is empty; name the folder that the run is written to")
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"OUTPUT_DIR: {folder} cannot be written to ({error.strerror}); name another folder"
        ) from None
