"""Several updates in one iteration, under several processes too."""

from __future__ import annotations

from typing import Any

from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor


@MODEL_WRAPPERS.register_module()
class StepsDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper for models with a training iteration of their own::

        model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)

    ``MMDistributedDataParallel.train_step`` never calls the model's ``train_step``
    (mmengine/model/wrappers/distributed.py). This one calls its ``train_steps(forward, data,
    optim_wrapper)``, whose forwards run through the wrapper, so that gradients are averaged.
    ``find_unused_parameters``, because an update of some parameters has no gradient for the others.
    """

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        return self.module.train_steps(self._run_forward, data, optim_wrapper)
