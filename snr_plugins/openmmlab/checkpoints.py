"""The checkpoint that a run goes on from, or is tested with: whole, and of this very model."""

from __future__ import annotations

import os

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from snr_plugins.data.files import is_cut_archive
from snr_plugins.errors import InputError
from snr_plugins.nn.coverage import describe_difference


def find_checkpoint(cfg: Config) -> str | None:
    """The file that MMEngine's runner will load; None where it starts anew.

    Raises:
        InputError: it is not there, or is cut short.
    """
    path = cfg.load_from
    hint = "name one that does"
    if path is None and cfg.resume:
        path = find_latest_checkpoint(cfg.work_dir)
        last = os.path.join(cfg.work_dir, "last_checkpoint")
        hint = f"put the name of an earlier one into {last}, or remove it to start anew"
    if path is None or "://" in path:
        return path
    if not os.path.isfile(path):
        raise InputError(f"checkpoint {path or 'of no name'} does not exist; {hint}")
    if is_cut_archive(path):
        hint = hint if cfg.load_from is None else "copy it again"
        raise InputError(f"checkpoint {path} is cut short; {hint}")
    return path


class SameModelHook(Hook):
    """Refuses to resume from the checkpoint of another model.

    MMEngine would load what fits, leave the rest as it is, and stop at the optimizer's state.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        saved = checkpoint.get("state_dict", checkpoint)
        if difference := describe_difference(model.state_dict(), saved):
            raise InputError(
                f"--resume: the checkpoint in {runner.work_dir} was written by another model: it "
                f"{difference}; give another --work-dir, and load_from to start from it"
            )
