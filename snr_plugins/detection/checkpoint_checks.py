"""Whether a checkpoint is of the network that goes on from it, or is tested with it."""

from __future__ import annotations

import logging
import os
import zipfile

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import DefaultTrainer
from detectron2.modeling import build_model
from detectron2.solver import build_optimizer
from detectron2.utils import comm
from torch import Tensor, nn

from snr_plugins.detection.config import split_weights
from snr_plugins.errors import InputError
from snr_plugins.nn.coverage import describe_difference, is_added

CONSTANTS = ("pixel_mean", "pixel_std")  # of the config, not of the training
# Of a detector's parts those that training alone needs.
TRAINED_BY = ("snr_losses", "image_classifiers", "instance_classifier", "teacher")


def check_resumed(cfg: CfgNode, trains: bool = True) -> bool:
    """Whether OUTPUT_DIR has a checkpoint to go on from, of this very model and optimizer.

    The framework would load what fits, train the rest anew, and stop at the optimizer's state.

    Args:
        cfg: the config, on the CPU.
        trains: False where it is tested alone, and the optimizer does not matter.

    Raises:
        InputError: it is of another model or optimizer, or not whole.
    """
    last = DetectionCheckpointer(nn.Module(), cfg.OUTPUT_DIR)
    if not last.has_checkpoint():
        return False
    path = last.get_checkpoint_file()
    if not os.path.isfile(path):
        raise InputError(
            f"--resume: {os.path.join(cfg.OUTPUT_DIR, 'last_checkpoint')} names {path}, which does "
            "not exist; restore it, or delete last_checkpoint to start anew"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        saved = _weights(checkpoint)
    except Exception as error:  # whatever the unpickler meets
        if _is_whole_archive(path):  # it holds more than weights, and to read that is to run code
            return True
        raise InputError(
            f"--resume: {path} is not a whole checkpoint ({type(error).__name__}); put the name of "
            "an earlier one into last_checkpoint beside it"
        ) from None
    model = build_model(cfg)
    own = model.state_dict()
    own = {n: own[n] for n in own if n in saved or n not in CONSTANTS}
    if difference := describe_difference(own, saved):
        raise InputError(
            f"--resume: {path} was written by another model: it {difference}; set another "
            "OUTPUT_DIR, and MODEL.WEIGHTS to that file to start from it"
        )
    if trains:
        _check_optimizer(cfg, model, checkpoint.get("trainer", {}), path)
    return True


def _is_whole_archive(path: str) -> bool:
    """Whether a file is what torch.save writes, with every tensor as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def _check_optimizer(cfg: CfgNode, model: nn.Module, saved: dict, path: str) -> None:
    """``saved`` is what Detectron2's trainer keeps of itself; nothing of it may be there."""
    state = saved.get("_trainer", {})
    anew = "set another OUTPUT_DIR, and MODEL.WEIGHTS to that file to start from it"
    if cfg.SOLVER.AMP.ENABLED and state and "grad_scaler" not in state:
        raise InputError(
            f"--resume: {path} was written without SOLVER.AMP.ENABLED, which is True now: set it "
            f"to False, or {anew}"
        )
    groups = state.get("optimizer", {}).get("param_groups")
    if groups is None:
        return
    scaled = DefaultTrainer.auto_scale_workers(cfg, comm.get_world_size())
    own = build_optimizer(scaled, model).param_groups
    if [len(group["params"]) for group in own] != [len(group["params"]) for group in groups]:
        raise InputError(
            f"--resume: {path} was written by another optimizer, or with other stages frozen: give "
            f"SOLVER and MODEL.BACKBONE.FREEZE_AT as they were, or {anew}"
        )
    rates = {
        name: sorted({group.get("initial_lr", group["lr"]) for group in found})
        for name, found in (("now", own), ("then", groups))
    }
    if rates["now"] != rates["then"]:
        logging.getLogger(__name__).warning(
            "--resume goes on with the learning rates of %s, %s at their base, whatever "
            "SOLVER.BASE_LR says now (%s)",
            path,
            rates["then"],
            rates["now"],
        )


def check_tested(cfg: CfgNode) -> None:
    """MODEL.WEIGHTS, where that is a checkpoint, is of this network, but for what SNR adds to it.

    The framework would load what fits, and score random weights for the rest. A plain network may
    be tested with SNR inside, which is then as it starts; and what training alone needs, such as
    domain classifiers, may be there or not.

    Args:
        cfg: the config, on the CPU.

    Raises:
        InputError: tensors of the network are missing or of another shape, or it lacks the SNR that
            the checkpoint has.
    """
    path, query = split_weights(cfg.MODEL.WEIGHTS)
    if query or not path.endswith(".pth") or not os.path.isfile(path):
        return
    try:
        saved = _weights(torch.load(path, map_location="cpu", weights_only=True))
    except Exception:  # Detectron2 reads it, or says what it is
        return
    own = build_model(cfg).state_dict()
    wanted = {n: own[n] for n in own if n in saved or not (is_added(n) or _is_constant(n))}
    # trust acts at inference alone, and may be switched off
    found = {n: saved[n] for n in saved if n in own or (is_added(n) and ".trust." not in n)}
    if difference := describe_difference(_tested(wanted), _tested(found)):
        raise InputError(
            f"MODEL.WEIGHTS: {path} is of another network: it {difference}; test it with the "
            "config that it was trained with"
        )


def _is_constant(name: str) -> bool:
    """Whether a test can do without a tensor: frozen norms have no ``num_batches_tracked``."""
    return name in CONSTANTS or name.endswith(".num_batches_tracked")


def _tested(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: value for n, value in state.items() if n.partition(".")[0] not in TRAINED_BY}


def _weights(checkpoint: dict) -> dict[str, Tensor]:
    """As fvcore's checkpointer takes them.

    Without the prefix of a model that was saved inside DistributedDataParallel, and without the
    cell_anchors of older versions of Detectron2.
    """
    weights = dict(checkpoint["model"])
    torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(weights, "module.")
    return {n: value for n, value in weights.items() if "cell_anchors" not in n}
