"""Strong photometric augmentation, a style layer's plainest rival: Detectron2's own transforms."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.data import DatasetMapper
from detectron2.data import transforms as T

# On every training image, after its resizing and flip. A factor of brightness scales the image, of
# contrast its distance from its mean, of saturation that from its grey form (2 doubles the colours,
# 0 leaves grey). MMSegmentation's PhotoMetricDistortion changes half of the images: brightness by
# 32 of 255, contrast and saturation by 0.5 to 1.5, hue by 18 of 180.
BRIGHTNESS = (0.4, 1.6)
CONTRAST = (0.4, 1.6)
SATURATION = (0.0, 2.0)
# Standard deviation along the colours' principal axes, in grey values; AlexNet's is 0.1 * 255.
LIGHTING = 0.3 * 255


def photometric_augmentations() -> list[T.Augmentation]:
    """For ``INPUT.PHOTOMETRIC``. Detectron2 takes the first channel for red, also in BGR images."""
    return [
        T.RandomBrightness(*BRIGHTNESS),
        T.RandomContrast(*CONTRAST),
        T.RandomSaturation(*SATURATION),
        T.RandomLighting(LIGHTING),
    ]


def photometric_mapper(cfg: CfgNode) -> DatasetMapper:
    """Detectron2's mapper of training images, with these augmentations behind its own."""
    arguments = DatasetMapper.from_config(cfg, is_train=True)
    arguments["augmentations"] = [*arguments["augmentations"], *photometric_augmentations()]
    return DatasetMapper(**arguments)
