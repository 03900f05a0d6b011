"""What ``tools/train.py`` does with a Detectron2 YAML config."""

from __future__ import annotations

import argparse
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, default_setup, launch
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from snr_plugins.data.output import name_last_checkpoint, naming_disk_faults, sole_user
from snr_plugins.detection.checks import check_run
from snr_plugins.detection.config import load_config, split_weights
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError, sentence_in

GO_ON = "mend the disk or folder and go on with --resume"


def run(args: argparse.Namespace) -> OrderedDict | None:
    """What each process does."""
    cfg = load_config(args.config_file, args.opts, args.resume)
    if args.resume:
        name_last_checkpoint(cfg.OUTPUT_DIR, in_full=False)
    check_run(cfg, args.eval_only, args.resume)
    # the config that is saved must find them from any working folder
    cfg = _with_weights(cfg, _absolute(cfg.MODEL.WEIGHTS))
    with ExitStack() as held:
        held.enter_context(naming_disk_faults(cfg.OUTPUT_DIR, GO_ON))
        if comm.is_main_process() and not args.eval_only and "://" not in cfg.OUTPUT_DIR:
            held.enter_context(sole_user(cfg.OUTPUT_DIR))
        return _train_or_test(cfg, args)


def _train_or_test(cfg: CfgNode, args: argparse.Namespace) -> OrderedDict | None:
    default_setup(cfg, args)
    if not args.eval_only:
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()
    model = Trainer.build_model(cfg)
    checkpointer = DetectionCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    if args.resume and checkpointer.has_checkpoint():
        # the stamp must name what is scored
        cfg = _with_weights(cfg, checkpointer.get_checkpoint_file())
    checkpointer.load(cfg.MODEL.WEIGHTS)
    results = Trainer.test(cfg, model)
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_TTA(cfg, model))
    if comm.is_main_process():
        verify_results(cfg, results)
    return results


def _with_weights(cfg: CfgNode, weights: str) -> CfgNode:
    cfg = cfg.clone()  # frozen
    cfg.defrost()
    cfg.MODEL.WEIGHTS = weights
    cfg.freeze()
    return cfg


def _absolute(weights: str) -> str:
    file, query = split_weights(weights)
    return weights if not file or "://" in file else f"{os.path.abspath(file)}{query}"


def launched(function: Callable[[argparse.Namespace], object], args: argparse.Namespace) -> None:
    """``function(args)`` in each process of this machine, by Detectron2's ``launch``.

    When one of them fails the others are ended.

    Raises:
        InputError: that of the process that failed; or it was killed; or the port is in use.
    """
    try:
        launch(
            function,
            args.num_gpus,
            num_machines=args.num_machines,
            machine_rank=args.machine_rank,
            dist_url=args.dist_url,
            args=(args,),
        )
    except ProcessRaisedException as error:  # its message is the traceback of one of several
        if "Address already in use" in str(error):
            raise InputError(
                f"--dist-url {args.dist_url}: the port is in use, perhaps by another training; "
                "name another, or on a single machine 'auto'"
            ) from None
        sentence = sentence_in(str(error))
        if sentence is None:
            raise
        raise InputError(sentence) from None
    except ProcessExitedException as error:
        if error.signal_name is None:  # by sys.exit, which has said why
            sys.exit(error.exit_code)
        raise InputError(
            f"process {error.error_index} of this machine was ended by {error.signal_name}, as the "
            "system does where memory runs out: with fewer images or loader workers, --resume goes "
            "on from the last checkpoint"
        ) from None


def main(argv: list[str]) -> None:
    """``CONFIG.yaml [Detectron2's own flags] [KEY VALUE ...]``; exits with 1 after bad input."""
    parser = default_argument_parser()
    parser.usage = "%(prog)s CONFIG.yaml [options] [KEY VALUE ...]"
    parser.epilog = None
    if argv and not argv[0].startswith("-"):
        argv = ["--config-file", *argv]
    args = parser.parse_args(argv)
    if args.num_gpus > max(torch.cuda.device_count(), 1):
        parser.error(f"--num-gpus is {args.num_gpus}, torch sees {torch.cuda.device_count()} GPUs")
    if args.num_machines > 1 and not (args.eval_only or torch.cuda.is_available()):
        # DefaultTrainer names a GPU to DistributedDataParallel
        parser.error(f"--num-machines is {args.num_machines}, torch sees no GPU to train on")
    try:
        launched(run, args)
    except InputError as error:
        print(f"error: {sentence_in(str(error)) or error}", file=sys.stderr)  # of a loader's worker
        sys.exit(1)
