"""What tests of finite numbers share."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from snr_plugins.nn import find_snr


def assert_finite(model: nn.Module, losses: Mapping[str, Tensor]) -> None:
    """After a step: losses, gradients, those of every SNR among them, and all that is saved."""
    assert all(torch.isfinite(loss).all() for loss in losses.values()), losses
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(name + ".norm.weight" in grads for name in find_snr(model))
    assert all(torch.isfinite(grad).all() for grad in grads.values())
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())
