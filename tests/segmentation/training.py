"""What torchrun starts in tests: the train command on some configs, in processes on the CPU.

    torchrun --nproc-per-node 2 -m tests.segmentation.training CONFIG.py ... [--cfg-options ...]

Each config works in the folder of its own name.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from mmengine.dist import all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from snr_plugins.openmmlab.launch import main


@HOOKS.register_module()
class LossCurveHook(Hook):
    """Saves the losses of every iteration, averaged over the processes, as ``losses.pth``."""

    def before_train(self, runner):
        self.losses = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        for name in sorted(outputs):
            if "loss" in name:
                value = outputs[name].detach().clone()
                all_reduce(value, op="mean")
                self.losses.setdefault(name, []).append(float(value))

    def after_train(self, runner):
        if is_main_process():
            torch.save(self.losses, Path(runner.work_dir) / "losses.pth")


@HOOKS.register_module()
class KilledHook(Hook):
    """In the second process, as the system does where memory runs out."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    torch.set_num_threads(1)
    # MMEngine's own asks for a GPU, and takes a group that is there (mmengine/runner/runner.py)
    torch.distributed.init_process_group("gloo")
    status = 0
    try:
        configs = [word for word in sys.argv[1:] if word.endswith(".py")]
        flags = sys.argv[1 + len(configs) :]
        for config in configs:
            folder = config.removesuffix(".py")
            main([config, "--work-dir", folder, "--launcher", "pytorch", *flags])
    except SystemExit as error:
        status = error.code
    else:
        torch.distributed.barrier()
    sys.stderr.flush()
    # Without teardown: torch 2.3 joins Gloo's threads while it holds the GIL, which they may need.
    os._exit(status)
