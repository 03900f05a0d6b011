"""What ``tools/train.py`` does with a ``.py`` config of MMEngine."""

from __future__ import annotations

import argparse
import difflib
import inspect
import os
import re
import sys
from contextlib import ExitStack
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.dist import is_distributed
from mmengine.runner import EpochBasedTrainLoop, Runner, find_latest_checkpoint

from snr_plugins.data.output import name_last_checkpoint, naming_disk_faults, sole_user
from snr_plugins.errors import InputError, sentence_in
from snr_plugins.openmmlab.checkpoints import SameModelHook, find_checkpoint
from snr_plugins.openmmlab.classes import SameClassesHook, check_classes
from snr_plugins.openmmlab.domain_turns import DomainTurnsSampler
from snr_plugins.openmmlab.start_weights import forget_start_weights, refuse_foreign_weights

GO_ON = "mend the disk or folder and go on with --resume"
# What OpenMMLab's launchers read beside what is MMEngine's runner's
LAUNCHERS = ("tta_model", "tta_pipeline", "custom_imports")
# No arguments of the runner, which looks for them in the config (mmengine/runner/runner.py)
IN_CONFIG = (
    *("activation_checkpointing", "compile", "efficient_conv_bn_eval", "find_unused_parameters"),
    *("model_wrapper_cfg", "sync_bn"),
)
# Where each launcher says which process this is
RANK = {"none": "", "pytorch": "RANK", "slurm": "SLURM_PROCID", "mpi": "OMPI_COMM_WORLD_RANK"}


def main(argv: list[str]) -> None:
    """``CONFIG.py [the flags of OpenMMLab's own launchers]``; exits with 1 after bad input."""
    args = _parse(argv)
    # as MMSegmentation's tools/train.py: torchrun and slurm tell it in different ways
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
    try:
        run(args)
    except Exception as error:
        sentence = bad_input(error)
        if sentence is None:
            raise
        # whichever process it is: it may be the only one, and the others end by its end
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage="%(prog)s CONFIG.py [options]")
    parser.add_argument("config", help="one of configs/, or your own")
    parser.add_argument("--work-dir", help="where logs and checkpoints go (work_dirs/CONFIG)")
    parser.add_argument("--resume", action="store_true", help="go on from the latest checkpoint")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument(
        "--eval-only",
        nargs="?",
        const="latest",
        metavar="CHECKPOINT",
        help="test only: this checkpoint, by default the work folder's latest",
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=DictAction, help="overrides, KEY=VALUE ..."
    )
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0)
    # `--eval-only CONFIG.py`: the flag's value is optional, and a config is no checkpoint
    explicit = [
        "--eval-only=latest" if flag == "--eval-only" and value.endswith(".py") else flag
        for flag, value in zip(argv, [*argv[1:], ""], strict=True)
    ]
    return parser.parse_args(explicit)


def run(args: argparse.Namespace) -> None:
    """Build MMEngine's runner from the config and train or test it."""
    cfg = load_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get("work_dir") or f"work_dirs/{Path(args.config).stem}"
    cfg.resume = args.resume
    if args.resume:
        name_last_checkpoint(cfg.work_dir, in_full=True)
    if args.resume and "load_from" not in (args.cfg_options or {}):
        _start_anew_or_go_on(cfg)
    if args.launcher == "pytorch" and "RANK" not in os.environ:
        raise InputError(
            "--launcher pytorch: start it as torchrun --nproc-per-node N -m snr_plugins.train "
            "CONFIG.py --launcher pytorch, which tells each process its rank"
        )
    # MMEngine takes a process group that is there already as it is
    if args.launcher != "none" and not (torch.cuda.is_available() or is_distributed()):
        raise InputError(
            f"--launcher {args.launcher}: MMEngine gives each process a GPU and torch sees none; "
            "leave it out to run one process"
        )
    if args.amp and not torch.cuda.is_available():
        raise InputError("--amp: MMEngine's mixed precision needs a GPU and torch sees none")
    if args.amp:
        cfg.optim_wrapper.type = "AmpOptimWrapper"
        cfg.optim_wrapper.setdefault("loss_scale", "dynamic")
    if args.eval_only == "latest":
        cfg.load_from = find_latest_checkpoint(cfg.work_dir)
        if cfg.load_from is None:
            raise InputError(
                f"--eval-only: {cfg.work_dir} holds no checkpoint; train first, or give "
                "--eval-only FILE"
            )
    elif args.eval_only:
        cfg.load_from = args.eval_only
    with ExitStack() as held:
        held.enter_context(naming_disk_faults(cfg.work_dir, GO_ON))
        if not args.eval_only and os.environ.get(RANK[args.launcher], "0") == "0":
            held.enter_context(sole_user(cfg.work_dir))
        _train_or_test(cfg, args.eval_only)


def _start_anew_or_go_on(cfg: Config) -> None:
    """From the work folder's latest checkpoint; from the config's start where there is none yet.

    MMEngine would take ``load_from`` for the run to go on with, in which configs of adaptation have
    the network that they start from.
    """
    cfg.resume = find_latest_checkpoint(cfg.work_dir) is not None
    if cfg.resume:
        cfg.load_from = None


def _train_or_test(cfg: Config, eval_only: bool) -> None:
    checkpoint = find_checkpoint(cfg)
    runner = Runner.from_cfg(cfg)
    check_classes(runner, eval_only)
    if eval_only:
        runner.register_hook(SameClassesHook())
        runner.test()
    else:
        _check_end(runner)
        if cfg.resume and checkpoint:
            runner.register_hook(SameModelHook())
            forget_start_weights(runner.model)
        refuse_foreign_weights(runner.model)
        runner.train()


def load_config(path: str, overrides: dict[str, object] | None = None) -> Config:
    """The config of ``path`` with ``overrides``, checked.

    Raises:
        InputError: the file is missing, is no Python, or is no config of MMEngine.
    """
    if not os.path.isfile(path):
        raise InputError(f"config file not found: {path}; see configs/")
    text = Path(path).read_text()
    if re.search(r"^(from|import) detectron2", text, re.MULTILINE):
        raise InputError(
            f"{path} is a LazyConfig: run it with Detectron2's lazyconfig_train_net.py"
        )
    try:
        cfg = Config.fromfile(path)
        _check_names(cfg, overrides or {})
        cfg.merge_from_dict(overrides or {})
    except (SyntaxError, KeyError, TypeError, AttributeError, OSError) as error:
        raise InputError(f"{path}: {error}") from None
    except ImportError as error:  # of a base mmseg::..., or in custom_imports
        raise InputError(f"{path}: {error}; see what snr_plugins.doctor says") from error
    missing = [key for key in ("model", "train_dataloader", "test_dataloader") if key not in cfg]
    if missing:
        raise InputError(f"{path} has no '{missing[0]}'; give it a base of configs/")
    cfg.setdefault("load_from", None)
    _hold_out(cfg)
    return cfg


def _check_names(cfg: Config, overrides: dict[str, object]) -> None:
    """MMEngine takes any name, and nobody reads one that is misspelt."""
    read = {*inspect.signature(Runner).parameters, *LAUNCHERS, *IN_CONFIG}
    read |= {"held_out"} & set(cfg)  # `_hold_out`
    for key in overrides:
        name = key.partition(".")[0]
        if name in cfg and name not in read:
            raise InputError(
                f"--cfg-options: nothing reads '{name}' once the file is read, as its value has "
                f"gone to where it is used; set it there, each time: in the loaders' datasets, the "
                "model, or optim_wrapper"
            )
        if name not in read:
            similar = difflib.get_close_matches(name, sorted({*cfg, *read}), n=1)
            hint = f"do you mean '{similar[0]}'" if similar else "correct it"
            raise InputError(f"--cfg-options: the config has no '{name}'; {hint}")
        if key.endswith("dataset.held_out") and "held_out" in cfg:
            raise InputError(f"--cfg-options: {key} is one of three; set held_out, for all of them")


def _hold_out(cfg: Config) -> None:
    """``held_out=sketch`` is one key: an override of it reaches every loader.

    The file's own value has gone into them already; a training set that kept it would hold the
    images that are tested.
    """
    for phase in ("train", "val", "test") if "held_out" in cfg else ():
        loader = cfg.get(f"{phase}_dataloader")
        if loader and "held_out" in loader.dataset:
            loader.dataset.held_out = cfg.held_out


def _check_end(runner: Runner) -> None:
    """An epoch is as long as its sampler, and one of ours has no end."""
    loop = runner.train_loop
    if isinstance(loop, EpochBasedTrainLoop) and isinstance(
        loop.dataloader.sampler, DomainTurnsSampler
    ):
        raise InputError(
            f"train_cfg counts epochs, and {type(loop.dataloader.sampler).__name__} has no end: "
            "set train_cfg=dict(type='IterBasedTrainLoop', max_iters=..., val_interval=...)"
        )


def bad_input(error: Exception) -> str | None:
    """The sentence for a person's mistake, None for any other error.

    MMEngine's registry puts a prefix before every error of a component that it builds, and torch's
    data loader a traceback before every error of a worker.
    """
    message = str(error.args[0]) if error.args else ""
    if isinstance(error, InputError):
        return re.sub(r"class `\w+` in \S+\.py: ", "", sentence_in(message) or message)
    if isinstance(error, KeyError) and "registry" in message:
        return message.splitlines()[0]
    if isinstance(error, TypeError) and "got an unexpected keyword argument" in message:
        return f"{message}; correct it in the config or in --cfg-options"
    if isinstance(error, FileNotFoundError) and "can not be found" in str(error):
        return f"checkpoint {error}"
    return None
