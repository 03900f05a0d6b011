"""The pretrained weights that a config's ``init_cfg`` names, before a run of ``tools/train.py``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmengine.model import PretrainedInit
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.coverage import fits


def refuse_foreign_weights(model: nn.Module) -> None:
    """From now on a file for a part of ``model`` that fits no tensor of it ends the run.

    MMEngine lists what did not fit, among hundreds of lines, and trains from random weights: plain
    networks too, which have no report of what was covered (``nn/coverage.py``).
    """
    for module, init_cfg in _pretrained(model):
        refuse = _Refusal(init_cfg.get("checkpoint"))
        # with_module: see nn/coverage.py
        module._register_load_state_dict_pre_hook(refuse, with_module=True)


def forget_start_weights(model: nn.Module) -> None:
    """For a run that goes on: its checkpoint holds all weights, and the file may have gone.

    Read first, as MMEngine does, they would be reported to lack what was trained since.
    """
    for module, _ in _pretrained(model):
        module.init_cfg = None  # type: ignore[assignment]  # of MMEngine's BaseModule


def _pretrained(model: nn.Module) -> Iterator[tuple[nn.Module, Mapping]]:
    for module in model.modules():
        init_cfg = getattr(module, "init_cfg", None)
        for config in init_cfg if isinstance(init_cfg, list) else [init_cfg or {}]:
            if config.get("type") in ("Pretrained", PretrainedInit):
                yield module, config


class _Refusal:
    """A hook of the module; no closure, so that the model can be pickled and copied."""

    def __init__(self, checkpoint: str | None) -> None:
        self.checkpoint = checkpoint

    def __call__(
        self, module: nn.Module, loaded: Mapping[str, Tensor], prefix: str, *_: object
    ) -> None:
        own = module.state_dict()
        # with a prefix it is a checkpoint of the whole model that is read
        if prefix or any(fits(loaded, key, tensor) for key, tensor in own.items()):
            return
        raise InputError(
            f"{self.checkpoint} fits no tensor of {type(module).__name__}: it has "
            f"{next(iter(loaded), 'none')}, ..., and wanted are {next(iter(own), 'none')}, ...; "
            "convert it to these names, give init_cfg the prefix of its keys, or name another file"
        )
