"""SNR in Detectron2. Importing this registers backbones, meta-architectures and datasets."""

from snr_plugins.detection.backbone import (
    build_snr_backbone,
    build_snr_resnet_backbone,
    build_snr_resnet_fpn_backbone,
    put_in,
)
from snr_plugins.detection.config import add_snr_config
from snr_plugins.detection.datasets import (
    register_coco_folder,
    register_datasets,
    register_image_folder,
)
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.meta_arch import Restitution, SNRGeneralizedRCNN, SNRRetinaNet
from snr_plugins.detection.stamp import Run

__all__ = [
    "Restitution",
    "Run",
    "SNRGeneralizedRCNN",
    "SNRRetinaNet",
    "add_snr_config",
    "build_snr_backbone",
    "build_snr_resnet_backbone",
    "build_snr_resnet_fpn_backbone",
    "coco_evaluator",
    "put_in",
    "register_coco_folder",
    "register_datasets",
    "register_image_folder",
]

register_datasets()
