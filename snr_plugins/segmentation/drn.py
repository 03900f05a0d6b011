"""Dilated residual networks of type D, which MMSegmentation lacks, as a backbone."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from mmseg.models.backbones.resnet import BasicBlock, Bottleneck
from mmseg.models.utils import ResLayer
from mmseg.registry import MODELS
from torch import Tensor, nn

from snr_plugins.errors import InputError


class DilatedBasicBlock(BasicBlock):
    """MMSegmentation's block dilates its first convolution only; a DRN dilates both."""

    def __init__(self, inplanes: int, planes: int, dilation: int = 1, **options: object) -> None:
        super().__init__(inplanes, planes, dilation=dilation, **options)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=dilation, dilation=dilation, bias=False)


# depth: the residual block, and how many of them layer3, layer4, layer5 and layer6 have
SETTINGS = {
    22: (DilatedBasicBlock, (2, 2, 2, 2)),
    38: (DilatedBasicBlock, (3, 4, 6, 3)),
    54: (Bottleneck, (3, 4, 6, 3)),
    105: (Bottleneck, (3, 4, 23, 3)),
}


@MODELS.register_module()
class DRN(BaseModule):
    """DRN-D (Yu, Koltun and Funkhouser, arXiv 1705.09914) at an output stride of 8.

    For ``base_channels`` B, with E = 4 for the depths 54 and 105, else 1:

    ==================  ======================  ========  ======  ========
    children            what                    channels  stride  dilation
    ==================  ======================  ========  ======  ========
    ``layer0``          7x7 convolution         B         1       1
    ``layer1``          3x3 convolution         B         1       1
    ``layer2``          3x3 convolution         2B        2       1
    ``layer3``          residual blocks         4B E      4       1
    ``layer4``          residual blocks         8B E      8       1
    ``layer5``          residual blocks         16B E     8       2
    ``layer6``          residual blocks         32B E     8       4
    ``layer7``          3x3 convolution         32B       8       2
    ``layer8``          3x3 convolution         32B       8       1
    ==================  ======================  ========  ======  ========

    The last two are not residual: they smooth away the grid that dilation leaves. The keys of the
    state dict are those of the authors' code (github.com/fyu/drn), so that their checkpoints load;
    the classifier in them, ``fc``, is left over.

    Args:
        depth: 22, 38, 54 or 105.
        in_channels: of the image.
        base_channels: B; the authors' is 16.
        out_indices: which of ``layer3`` to ``layer8`` to put out, ascending.
        norm_cfg: of every norm layer; by default batch norm. Keys match with batch norm only.
        norm_eval: keep the running statistics of batch norm fixed in training.
        frozen_stages: ``layer0`` up to this one are not trained; -1 freezes none.
        init_cfg: by default Kaiming's normal distribution for convolutions, as the authors' own,
            and 1 for the weights of batch norm.

    Raises:
        InputError: an unknown ``depth``, or ``out_indices`` or ``frozen_stages`` out of range.
    """

    def __init__(
        self,
        depth: int = 105,
        in_channels: int = 3,
        base_channels: int = 16,
        out_indices: Sequence[int] = (3, 4, 5, 8),
        norm_cfg: dict | None = None,
        norm_eval: bool = False,
        frozen_stages: int = -1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        _check(depth, out_indices, frozen_stages)
        super().__init__(
            init_cfg
            or [
                {"type": "Kaiming", "layer": "Conv2d"},
                {"type": "Constant", "val": 1, "layer": "_BatchNorm"},
            ]
        )
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        self.frozen_stages = frozen_stages
        norm_cfg = norm_cfg or {"type": "BN", "requires_grad": True}
        block, (blocks3, blocks4, blocks5, blocks6) = SETTINGS[depth]

        def plain(
            inputs: int, width: int, kernel: int = 3, stride: int = 1, dilation: int = 1
        ) -> nn.Sequential:
            padding = dilation * (kernel // 2)
            return nn.Sequential(
                nn.Conv2d(inputs, width, kernel, stride, padding, dilation, bias=False),
                build_norm_layer(norm_cfg, width)[1],
                nn.ReLU(inplace=True),
            )

        def residual(
            inputs: int, width: int, blocks: int, stride: int = 1, dilation: int = 1
        ) -> ResLayer:
            return ResLayer(
                block, inputs, width, blocks, stride=stride, dilation=dilation, norm_cfg=norm_cfg
            )

        base, wide = base_channels, base_channels * block.expansion
        self.layer0 = plain(in_channels, base, kernel=7)
        self.layer1 = plain(base, base)
        self.layer2 = plain(base, 2 * base, stride=2)
        self.layer3 = residual(2 * base, 4 * base, blocks3, stride=2)
        self.layer4 = residual(4 * wide, 8 * base, blocks4, stride=2)
        self.layer5 = residual(8 * wide, 16 * base, blocks5, dilation=2)
        self.layer6 = residual(16 * wide, 32 * base, blocks6, dilation=4)
        self.layer7 = plain(32 * wide, 32 * base, dilation=2)
        self.layer8 = plain(32 * base, 32 * base)
        self._freeze_stages()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features of ``out_indices``, in that order, from images (N, ``in_channels``, H, W)."""
        features = images
        outputs = []
        for index in range(self.out_indices[-1] + 1):
            features = getattr(self, f"layer{index}")(features)
            if index in self.out_indices:
                outputs.append(features)
        return tuple(outputs)

    def train(self, mode: bool = True) -> DRN:
        """As any module's, but what is frozen stays in evaluation."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze_stages(self) -> None:
        # The name and the calls in __init__ and train() are those of MMSegmentation's ResNet, so
        # that one subclass can refine the freezing of either.
        for index in range(self.frozen_stages + 1):
            layer = getattr(self, f"layer{index}")
            layer.eval()
            layer.requires_grad_(False)


def _check(depth: int, out_indices: Sequence[int], frozen_stages: int) -> None:
    if depth not in SETTINGS:
        raise InputError(f"DRN: there is no depth {depth}; choose from {list(SETTINGS)}")
    chosen = list(out_indices)
    if not chosen or chosen != sorted(set(chosen)) or not set(chosen) <= set(range(3, 9)):
        raise InputError(
            f"DRN: out_indices={chosen} must name one or more layers from 3 to 8, ascending"
        )
    if frozen_stages not in range(-1, 9):
        raise InputError(f"DRN: frozen_stages={frozen_stages} must be from -1 (none) to 8 (all)")
