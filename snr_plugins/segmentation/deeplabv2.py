"""The classifier of DeepLabV2, which MMSegmentation lacks, as a decode or auxiliary head."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from snr_plugins.errors import InputError


class SummedConvs(nn.ModuleList):
    """Runs every child on the same features (N, C, H, W) and adds up what they put out."""

    def forward(self, features: Tensor) -> Tensor:
        return sum(conv(features) for conv in self)


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Parallel dilated 3x3 convolutions from features to class scores, summed.

    The classifier of Chen et al., arXiv 1606.00915, in the form common in domain adaptation: one
    convolution with bias for each dilation, straight from ``in_channels`` to the classes. Maps the
    features (N, C, H, W) at ``in_index`` to scores (N, K, H, W) of the same size. The convolutions
    are the ``conv_seg`` of :class:`BaseDecodeHead`, so the default ``init_cfg`` draws their weights
    from a normal distribution of std 0.01 and zeroes their biases.

    Args:
        in_channels: C.
        num_classes: K.
        dilations: one convolution for each, padded by its dilation; the paper's are 6, 12, 18, 24.
        reduced: build the first two convolutions only. This is what AdaptSegNet's classifier
            (``model/deeplab_multi.py``) and code derived from it, the released SNR among them,
            computes: a ``return`` stands inside the loop over the convolutions, so that the last
            two exist there but never run.
        dropout_ratio: of feature channels, in training; DeepLabV2 has no dropout here.
        options: of :class:`BaseDecodeHead`: ``in_index``, ``loss_decode``, ``align_corners``
            (MMSegmentation's default False) and so on.

    Raises:
        InputError: ``dilations`` is empty or holds a number below 1.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        reduced: bool = False,
        dropout_ratio: float = 0.0,
        **options: object,
    ) -> None:
        if not dilations or min(dilations) < 1:
            raise InputError(
                f"DeepLabV2Head: dilations={list(dilations)} must be one or more numbers from 1, "
                "such as (6, 12, 18, 24)"
            )
        super().__init__(
            in_channels,
            channels=in_channels,
            num_classes=num_classes,
            dropout_ratio=dropout_ratio,
            **options,
        )
        # Takes the place of the 1x1 convolution built by the parent: left beside it, that one
        # would get no gradient, which distributed training refuses.
        self.conv_seg = SummedConvs(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=dilation, dilation=dilation)
            for dilation in (dilations[:2] if reduced else dilations)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Scores (N, K, H, W) from the backbone's features, of which ``in_index`` is read."""
        return self.cls_seg(self._transform_inputs(inputs))
