"""IBN-Net (Pan et al., arXiv 1807.09441): instance norm inside residual blocks.

Both are style layers like any other, in another place: :func:`snr_plugins.nn.insert_layer` puts
them into the blocks of the named stages (:mod:`snr_plugins.nn.residual_blocks`). They act at test
too. Two deviations from the paper, so that anybody's pretrained network can take them:

- Its networks were pretrained on ImageNet with IBN inside. Ours start from plain weights, whose
  keys all stay what they were; the calibrated start sets gamma and beta to the source's average
  style, as for every instance norm here.
- IBN-a normalises half of the batch norm's output, not of its input. Instance norm takes any affine
  map of a channel back, so up to ``eps`` and the sign that gamma learns it is the same.
"""

from __future__ import annotations

import torch
from torch import Tensor

from snr_plugins.nn.affine import Affine
from snr_plugins.nn.style import InstanceNorm


class IBNa(InstanceNorm):
    """Instance norm of the first half of the channels; the others pass.

    ``insert_layer`` puts it behind the first norm of every block of the named stages: that norm is
    then half instance norm, half what it was. The paper's stages are the first three.

    Args:
        channels: C, of which C // 2 are normalised.
        eps: added to the variance.
        inplace: see :class:`StyleLayer`.
    """

    child_name = "ibn_a"
    in_blocks = True

    def __init__(self, channels: int, eps: float = 1e-5, inplace: bool = False) -> None:
        super().__init__(channels // 2, eps, inplace)  # gamma and beta of that half alone
        self.channels = channels

    def coefficients(self, mean: Tensor, var: Tensor) -> Affine:
        half = self.norm.num_features
        scale, centre = self.normalised(var[:, :half])
        kept = mean[:, half:]
        return Affine(
            torch.cat([scale, torch.ones_like(kept)], dim=1), torch.cat([centre, kept], dim=1)
        )


class IBNb(InstanceNorm):
    """Instance norm of the residual sum, before the last ReLU.

    ``insert_layer`` puts it into the last block of each named stage. The paper's stages are the
    first two; its stem, whose norm becomes instance norm too, is left as it is.

    Args:
        channels: C.
        eps: added to the variance.
        inplace: see :class:`StyleLayer`.
    """

    child_name = "ibn_b"
    in_blocks = True
