"""Several updates in one iteration, under several processes too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn

from snr_plugins.errors import InputError

WRAPPER = "model_wrapper_cfg=dict(type='StepsDistributedDataParallel', find_unused_parameters=True)"
Update = Callable[[str], dict[str, Tensor]]


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


def update_of(
    model: BaseModel, forward: Callable[..., dict[str, Tensor]], data: Any, optim: OptimWrapper
) -> Update:
    """A function that makes one update of a batch, called with the ``mode`` of the forward.

    What does not learn in it has no gradient, and the optimizer passes over it.

    Args:
        model: whose parameters the one optimizer has.
        forward: of the model or of its wrapper, called with the batch and ``mode``.
        data: a batch as the loader gives it.
        optim: with one optimizer of all parameters.

    Raises:
        InputError: there are several optimizers, or gradients are accumulated over iterations.
    """
    name = type(model).__name__
    if isinstance(optim, OptimWrapperDict):
        raise InputError(
            f"{name} needs one optimizer of all parameters: give optim_wrapper one optimizer."
        )
    if optim._accumulative_counts != 1:
        raise InputError(
            f"{name} makes its updates within one iteration: set optim_wrapper.accumulative_counts "
            "to 1 and train with larger batches."
        )
    batch = model.data_preprocessor(data, True)

    def update(mode: str) -> dict[str, Tensor]:
        with optim.optim_context(model):
            losses = forward(batch, mode=mode)
        total, logged = model.parse_losses(losses)
        optim.update_params(total)
        return logged

    return update


def refuse_plain_wrapper(model: nn.Module) -> InputError:
    """What to raise where a wrapper asks for one loss of a model that makes several updates."""
    return InputError(
        f"{type(model).__name__} makes three updates in an iteration, of which this wrapper knows "
        f"nothing: set {WRAPPER}."
    )


@contextlib.contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """A graph that is made within this block has no gradient for what the modules learn."""
    learning = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
