"""The keys under ``MODEL.SNR``, and how a YAML config is read and checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, get_cfg
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.modeling.backbone import BACKBONE_REGISTRY
from torch import nn

from snr_plugins.configs import shipped_root
from snr_plugins.data.files import is_cut_archive
from snr_plugins.detection.adaptation.config import add_adaptation_config
from snr_plugins.detection.own_data import register_own_datasets
from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, layer_options


def add_snr_config(cfg: CfgNode) -> None:
    """Add the keys that our backbones and meta-architectures read, and INPUT.PHOTOMETRIC."""
    add_adaptation_config(cfg)

    # Whether training images change their brightness, contrast, saturation and light, strongly
    # (snr_plugins/detection/photometric.py). Read by our Trainer alone: Detectron2's own
    # train_net.py builds its loader without it.
    cfg.INPUT.PHOTOMETRIC = False

    # For MODEL.BACKBONE.NAME build_timm_fpn_backbone, or build_snr_timm_fpn_backbone with SNR.
    cfg.MODEL.TIMM = CfgNode()
    cfg.MODEL.TIMM.NAME = "resnet50"  # as timm calls it
    cfg.MODEL.TIMM.PRETRAINED = False  # whether timm downloads its weights
    cfg.MODEL.TIMM.FROZEN_BN = True  # as Detectron2's own backbones have it
    # more arguments of timm.create_model, in capitals or not
    cfg.MODEL.TIMM.OPTIONS = CfgNode(new_allowed=True)

    snr = CfgNode()

    # For MODEL.BACKBONE.NAME build_snr_backbone: any other registered builder, whose backbone takes
    # the layers. build_snr_resnet_backbone and build_snr_resnet_fpn_backbone are short ways.
    snr.BACKBONE = "build_resnet_fpn_backbone"

    # What follows the stages: "snr", "snr_spatial_channel", "instance_norm" alone, "mixstyle",
    # "dsu" or "normalisation_perturbation"; or what sits in their blocks, "ibn_a" or "ibn_b". See
    # snr_plugins/nn/layers.py.
    snr.LAYER = "snr"

    # Stages (children of the backbone, or of an FPN's bottom_up) that a layer follows; names of its
    # outputs where no child has that name. The paper's released code uses the first three stages.
    snr.STAGES = ["res2", "res3", "res4"]

    # Whether a layer also follows every output of the FPN.
    snr.NECK = False

    # The layers' options, named and valued as in their signatures:
    #   REDUCTION  channels of a stage over channels of its gate's hidden layer
    #   GATE_BIAS  initial bias of each gate: 0 starts half-way to instance norm (the paper); a
    #              large value opens the gates: the network computes what it did without SNR
    #   GATE       how the gate reads the residual: "residual" (the paper), "bounded", "static", or
    #              "closed"; see snr_plugins/nn/gate.py
    #   TRUST      at inference, close the gates for images whose style is none of the source's; see
    #              snr_plugins/nn/trust.py. False is the paper
    #   REHEARSE   in training, close the gates of every second image, so that what follows
    #              practises on what trust will hand it
    #   EPS        added to the variance; of instance norm and IBN-Net too
    #   PROBABILITY  that mixstyle, dsu or normalisation_perturbation act on a training batch
    #   ALPHA      of mixstyle's Beta distribution
    #   STD        of normalisation_perturbation's factors
    for kind in LAYERS:
        for name, default in layer_options(kind).items():
            snr[name.upper()] = default

    # Whether gamma and beta of new layers start at the style of the first training batch instead of
    # 1 and 0 (snr_plugins.nn.calibrate), under every launcher. False is the paper.
    snr.CALIBRATE = True

    # Weight of the restitution loss, summed over all SNRs. 0.0 switches it off.
    snr.LOSS_WEIGHT = 0.01

    # Weight of the cross-entropy that teaches each SNR's linear probe to tell classes apart.
    # The restitution loss compares entropies of that probe; untrained, they mean nothing.
    snr.PROBE_WEIGHT = 0.01

    # "both" halves of the restitution loss, or for ablations "plus" or "minus" alone: that
    # restitution sharpens the prediction, or that contamination blurs it.
    snr.LOSS_TERMS = "both"

    cfg.MODEL.SNR = snr


def load_config(
    config_file: str, overrides: Sequence[object] = (), resume: bool = False
) -> CfgNode:
    """The frozen config of ``config_file`` with ``KEY VALUE`` overrides, checked.

    Weights that the file names are found from any working folder, see `_find_weights`. Datasets
    of one's own are registered, see `snr_plugins.detection.own_data`, and none is read: what a run
    needs of them `snr_plugins.detection.checks.check_run` looks at. So the ``config.yaml`` that a
    run saves predicts without them::

        cfg = load_config("output/config.yaml", ["MODEL.WEIGHTS", "output/model_final.pth"])
        predictor = DefaultPredictor(cfg)  # of detectron2.engine
        instances = predictor(cv2.imread("photo.jpg"))["instances"]

    Args:
        config_file: a YAML file.
        overrides: keys and values in turn, as on a command line.
        resume: whether the last checkpoint in OUTPUT_DIR, where there is one, takes the place of
            MODEL.WEIGHTS, which then may be gone.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown or has the wrong type, a
            component is not registered, or the device or the weights are absent.
    """
    register_own_datasets()
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
    cfg.MODEL.WEIGHTS = _find_weights(cfg.MODEL.WEIGHTS, config_file)
    try:
        cfg.merge_from_list(list(overrides))
    except (KeyError, ValueError, AssertionError) as error:
        raise InputError(f"command line: {_reason(error, cfg)}") from None
    _check(cfg)
    if not (resume and DetectionCheckpointer(nn.Module(), cfg.OUTPUT_DIR).has_checkpoint()):
        _check_weights(cfg.MODEL.WEIGHTS)
    cfg.freeze()
    return cfg


def split_weights(weights: str) -> tuple[str, str]:
    """Path or address, and the ``?matching_heuristics=True`` that Detectron2 takes behind it."""
    file, mark, query = weights.partition("?")
    return file, mark + query


def _find_weights(weights: str, config_file: str) -> str:
    """A config's weights, from any working folder.

    A path that does not exist from here is sought from the config's folder, and from the folder
    that holds the package's configs, which name theirs relative to it.
    """
    file, suffix = split_weights(weights)
    if not file or "://" in file or os.path.isfile(file):
        return weights
    for folder in (Path(config_file).resolve().parent, shipped_root()):
        if (folder / file).is_file():
            return f"{folder / file}{suffix}"
    return weights


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


def _check_weights(weights: str) -> None:
    file, _ = split_weights(weights)
    if file and "://" not in file and not os.path.isfile(file):
        raise InputError(
            f"MODEL.WEIGHTS: {file} does not exist; name a checkpoint, or give '' to start from "
            "random weights"
        )
    if os.path.isfile(file) and is_cut_archive(file):
        raise InputError(f"MODEL.WEIGHTS: {file} is cut short; copy or download it again")
