"""Batches of two domains, each normalised and padded by itself."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS
from torch import Tensor

from snr_plugins.errors import InputError

NOT_LABELLED = 0  # beside seg_pad_val, 255 by default, in what takes the place of a target's labels


@MODELS.register_module()
class SourceTargetPreProcessor(SegDataPreProcessor):
    """MMSegmentation's own for each domain of a training batch, so that neither pads the other.

    What comes out are ``inputs`` and ``data_samples`` of MMEngine, each a dict with ``source`` and
    ``target``. The target's samples have, where labels would be, 0 in the image and ``seg_pad_val``
    in the padding; whatever labels a dataset may have loaded are gone. At test it is its parent.

    Args:
        bgr_to_rgb, rgb_to_bgr: of ``SegDataPreProcessor``; its images are OpenCV's, blue first.
        options: others of it; ``mean``, ``std`` and so on.

    Raises:
        InputError: the batch does not hold both domains in equal numbers.
    """

    def __init__(
        self, *, bgr_to_rgb: bool = False, rgb_to_bgr: bool = False, **options: Any
    ) -> None:
        super().__init__(bgr_to_rgb=bgr_to_rgb, rgb_to_bgr=rgb_to_bgr, **options)
        self.blue_first = not (bgr_to_rgb or rgb_to_bgr)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Apart in training, together otherwise."""
        if not training:
            return super().forward(data, training)
        samples = data["data_samples"]
        of_target = [sample.metainfo.get("is_target") for sample in samples]
        if None in of_target or 2 * sum(of_target) != len(of_target):
            raise InputError(
                f"A batch of {len(of_target)} holds {sum(map(bool, of_target))} images of the "
                "target: give train_dataloader an even batch_size, a dataset of type "
                "SourceTargetDataset and a sampler of type SourceTargetSampler."
            )
        for sample, image in zip(samples, data["inputs"], strict=True):
            if sample.metainfo["is_target"]:
                nothing = torch.full((1, *image.shape[1:]), NOT_LABELLED)
                sample.gt_sem_seg = PixelData(data=nothing)
        apart = {
            domain: super(SourceTargetPreProcessor, self).forward(
                {
                    key: [v for v, flag in zip(values, of_target, strict=True) if flag is wanted]
                    for key, values in data.items()
                },
                training=True,
            )
            for domain, wanted in (("source", False), ("target", True))
        }
        return {
            key: {domain: batch[key] for domain, batch in apart.items()}
            for key in ("inputs", "data_samples")
        }

    def pixels(self, inputs: Tensor) -> Tensor:
        """Of normalised images (N, 3, H, W) the values in 0 to 255 that they were made from."""
        return inputs * self.std + self.mean if self._enable_normalize else inputs

    def normalise(self, pixels: Tensor) -> Tensor:
        """The way back."""
        return (pixels - self.mean) / self.std if self._enable_normalize else pixels
