"""The calibrated start, as a hook of MMEngine's runner."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from snr_plugins.nn.calibration import calibrate_untrained
from snr_plugins.openmmlab.random_numbers import drawing_nothing


@HOOKS.register_module()
class CalibrateSNRHook(Hook):
    """Before the first step, set gamma and beta of each SNR to the source's average style.

    See :func:`snr_plugins.nn.calibrate`. An SNR from a checkpoint is left as it is, so resuming and
    fine-tuning go on from what was learned. The batches come from a data loader of the hook's own,
    with the run's seed: the training loader starts where it always starts.

    Args:
        num_batches: how many training batches each process measures.
    """

    # after the checkpoint has been loaded, before any hook that uses the weights (EMA)
    priority = "VERY_HIGH"

    def __init__(self, num_batches: int = 8) -> None:
        self.num_batches = num_batches

    def before_train(self, runner: Runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model

        def batches() -> Iterator[Any]:
            loader_cfg = {
                **runner.cfg.train_dataloader,
                "num_workers": 0,
                "persistent_workers": False,
            }
            loader_cfg.pop("prefetch_factor", None)  # torch refuses it without workers
            loader = runner.build_dataloader(loader_cfg, seed=runner.seed)
            yield from itertools.islice(loader, self.num_batches)

        def forward(batch: Any) -> None:
            # backbone and neck: a cascade's heads want each other's results, and have no SNR
            inputs = model.data_preprocessor(batch, training=True)["inputs"]
            # of a batch of two domains, as SourceTargetPreProcessor has them, the source's style
            model.extract_feat(inputs["source"] if isinstance(inputs, dict) else inputs)

        with drawing_nothing():
            print_log(calibrate_untrained(model, batches(), forward), "current")
