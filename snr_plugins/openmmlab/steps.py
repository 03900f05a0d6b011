"""Several updates in one iteration, under several processes too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn

from snr_plugins.errors import InputError

if TYPE_CHECKING:
    from mmengine.model import BaseModel as Model  # what the mixin may ask for
else:
    Model = object

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


class DiscrepancySteps(Model):
    """Mixin over a model with two heads: an iteration of three kinds of updates, as MCD has it.

    A. Everything learns the sources, by both heads: ``everything_losses``.
    B. The heads alone learn the sources, and to disagree on the target: ``heads_losses``.
    C. ``generator_steps`` times the rest learns features of the target that they agree on:
       ``generator_losses``, with ``loss_discrepancy`` among them. 0 is a control.

    Each kind has a forward pass and an update of the one optimizer; what does not learn has no
    gradient, and SGD passes over it, as over the other half of the authors' two optimizers (Saito
    et al., CVPR 2018). Batch norm, trust and dropout run in every pass as they do there.

    Raises:
        InputError: in training, a wrapper is used that does not know of the three updates; and as
            `update_of`.
    """

    generator_steps: int

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = "tensor") -> Any:
        """As MMEngine's, with a mode for each update: all in one module that may be wrapped."""
        if mode == "loss":
            raise InputError(
                f"{type(self).__name__} makes three updates in an iteration, of which this wrapper "
                f"knows nothing: set {WRAPPER}."
            )
        updates = {
            "everything": self.everything_losses,
            "heads": self.heads_losses,
            "generator": self.generator_losses,
        }
        if mode in updates:
            return updates[mode](inputs, data_samples)
        return super().forward(inputs, data_samples, mode)

    def everything_losses(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """A; names with ``loss`` in them are summed by MMEngine."""
        raise NotImplementedError

    def heads_losses(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """B."""
        raise NotImplementedError

    def generator_losses(self, inputs: Any, data_samples: Any) -> dict[str, Tensor]:
        """C."""
        raise NotImplementedError

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """An iteration in one process."""
        return self.train_steps(self._run_forward, data, optim_wrapper)

    def train_steps(
        self, forward: Callable[..., dict[str, Tensor]], data: Any, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """The updates A, B and C; what is logged. Arguments as of `update_of`."""
        update = update_of(self, forward, data, optim_wrapper)
        logged = update("everything")
        update("heads")
        for _ in range(self.generator_steps):
            logged["discrepancy"] = update("generator")["loss_discrepancy"]
        return logged


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
