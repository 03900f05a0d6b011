"""SNR with a gate over positions too: the one layer here that is no affine map per channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from snr_plugins.nn.affine import at_least_float32, statistics, without_autocast
from snr_plugins.nn.gate import Gate
from snr_plugins.nn.style import InstanceNorm

KERNEL = 7  # of the spatial gate, as in CBAM


class SpatialSNR(InstanceNorm):
    """SNR whose gate is a product, one factor per channel and one per position.

        a   = sigmoid(fc2(relu(fc1(pool(R)))))  *  sigmoid(conv([mean_c R, max_c R]))
        F~+ = F~ + a R                                      R = F - F~

    The first factor is the paper's gate. Its ablation has a form with spatial attention too (Jin et
    al., arXiv 2101.00588), for which no code is published; the second factor here is CBAM's (Woo et
    al., arXiv 1807.06521), over the residual. There is no trust, and no restitution loss: that
    reads its features from coefficients per channel.

    Keeps its input alone for the backward, like every style layer, but makes the rest anew there,
    and walks the map several times each way.

    Args:
        channels: C.
        reduction, gate_bias: of the gate over channels, see :class:`SNR`.
        eps: added to the variance.
        inplace: see :class:`StyleLayer`.

    Raises:
        InputError: ``reduction`` is not positive.
    """

    needs_rows = True

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        gate_bias: float = 0.0,
        eps: float = 1e-5,
        inplace: bool = False,
    ) -> None:
        super().__init__(channels, eps, inplace)
        self.gate = Gate(channels, reduction, gate_bias)
        self.padding = KERNEL // 2
        self.spatial = nn.Conv2d(2, 1, KERNEL, padding=self.padding)

    def _restyled(self, features: Tensor) -> Tensor:
        # an `if` of its own, so that TorchScript does not read what is inside
        if not torch.jit.is_scripting():
            runs_elsewhere = torch.compiler.is_compiling() or torch.jit.is_tracing()
            if torch.is_grad_enabled() and not runs_elsewhere:
                return checkpoint(
                    self.enhanced, features, use_reentrant=False, preserve_rng_state=False
                )
            if self.inplace and not runs_elsewhere and not features.requires_grad:
                return features.copy_(self.enhanced(features))
        return self.enhanced(features)

    def enhanced(self, features: Tensor) -> Tensor:
        """F~+, (N, C, H, W), in the features' dtype."""
        mean, var = statistics(features)  # (N, C) each
        norm = self.normalised(var)
        centred = at_least_float32(features) - mean[:, :, None, None]
        offset = (mean - norm.centre)[:, :, None, None]
        residual = (1 - norm.scale)[:, :, None, None] * centred + offset  # (N, C, H, W)
        channels = self.gate(mean, self.norm.weight, self.norm.bias)  # (N, C)
        pooled = torch.stack([residual.mean(1), residual.amax(1)], 1)  # (N, 2, H, W)
        gate = channels[:, :, None, None] * self._positions(pooled)  # (N, C, H, W)
        # F~ + a R = F - (1 - a) R
        out = at_least_float32(features) - (1 - gate) * residual
        return out.to(features.dtype)

    def _positions(self, pooled: Tensor) -> Tensor:
        if not torch.jit.is_scripting():  # TorchScript has no such block
            with without_autocast(pooled.device):
                return self._attention(pooled)
        return self._attention(pooled)

    def _attention(self, pooled: Tensor) -> Tensor:
        """(N, 2, H, W) to (N, 1, H, W), in float32 at least, as the gate over channels."""
        weight, bias = self.spatial.weight.to(pooled.dtype), self.spatial.bias
        assert bias is not None  # for TorchScript
        return torch.sigmoid(F.conv2d(pooled, weight, bias.to(pooled.dtype), padding=self.padding))
