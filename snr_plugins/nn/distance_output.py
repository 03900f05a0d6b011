"""A network whose style distances are an output of its own, for export."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from snr_plugins.errors import InputError
from snr_plugins.nn.trust import find_trust, style_distances


class WithStyleDistance(nn.Module):
    """Runs ``network`` and hands out ``(its output, distances)``.

    ``distances`` is (N, S) with d / t of :func:`snr_plugins.nn.style_distances`, a column for each
    SNR with trust, in the order of ``names``; a network that runs an SNR several times has the mean
    of its passes. Trace or export this module, in evaluation, and whatever loads the file reads the
    distances without this package; ``torch.export.export`` wants ``strict=False``. It does not
    script: a scripted network has its `Trust` modules as children, whose ``distance`` and
    ``threshold`` can be called.

    Args:
        network: any module with an SNR that has trust.

    Raises:
        InputError: it has none.

    Example:
        >>> from snr_plugins.nn import insert_snr
        >>> net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"])
        >>> features = net(torch.rand(64, 3, 16, 16))  # a training step
        >>> features = net(torch.rand(64, 3, 16, 16))  # distances count from the 65th image on
        >>> exported = WithStyleDistance(net.eval())
        >>> traced = torch.jit.trace(exported, torch.rand(1, 3, 16, 16))
        >>> features, distances = traced(5 + torch.rand(2, 3, 16, 16))
        >>> exported.names, distances.shape, bool((distances > 1).all())
        (['0.snr'], torch.Size([2, 1]), True)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.names = list(find_trust(network))
        if not self.names:
            raise InputError(
                f"{type(network).__name__} has no SNR with trust, so no style distance: put SNR in "
                "with trust=True (insert_snr's default) and train it"
            )
        self.network = network

    def forward(self, *inputs: Any, **options: Any) -> tuple[Any, Tensor]:
        """The network's output, and the distances (N, S)."""
        with style_distances(self.network) as distances:
            output = self.network(*inputs, **options)
        columns = [torch.stack(distances[name]).mean(0) for name in self.names]
        return output, torch.stack(columns, dim=1)
