"""SNR in Detectron2. Importing this registers backbones, meta-architectures and datasets."""

from snr_plugins.detection.adaptation.adversarial import (
    DomainAdversarial,
    DomainAdversarialRCNN,
    SNRDomainAdversarialRCNN,
)
from snr_plugins.detection.adaptation.mean_teacher import (
    MeanTeacher,
    MeanTeacherRCNN,
    SNRMeanTeacherRCNN,
)
from snr_plugins.detection.adaptation.pairs import (
    adaptation_dataset,
    ready_pairs,
    register_adaptation,
)
from snr_plugins.detection.backbone import (
    build_snr_backbone,
    build_snr_resnet_backbone,
    build_snr_resnet_fpn_backbone,
    build_snr_retinanet_resnet_fpn_backbone,
    build_snr_timm_fpn_backbone,
    put_in,
)
from snr_plugins.detection.config import add_snr_config
from snr_plugins.detection.datasets import (
    register_coco_folder,
    register_datasets,
    register_image_folder,
)
from snr_plugins.detection.evaluation import coco_evaluator
from snr_plugins.detection.meta_arch import (
    SNRFCOS,
    Restitution,
    SNRGeneralizedRCNN,
    SNRPanopticFPN,
    SNRRetinaNet,
)
from snr_plugins.detection.stamp import Run
from snr_plugins.detection.timm_backbone import TimmBackbone, build_timm_fpn_backbone

__all__ = [
    "SNRFCOS",
    "DomainAdversarial",
    "DomainAdversarialRCNN",
    "MeanTeacher",
    "MeanTeacherRCNN",
    "Restitution",
    "Run",
    "SNRDomainAdversarialRCNN",
    "SNRGeneralizedRCNN",
    "SNRMeanTeacherRCNN",
    "SNRPanopticFPN",
    "SNRRetinaNet",
    "TimmBackbone",
    "adaptation_dataset",
    "add_snr_config",
    "build_snr_backbone",
    "build_snr_resnet_backbone",
    "build_snr_resnet_fpn_backbone",
    "build_snr_retinanet_resnet_fpn_backbone",
    "build_snr_timm_fpn_backbone",
    "build_timm_fpn_backbone",
    "coco_evaluator",
    "put_in",
    "ready_pairs",
    "register_adaptation",
    "register_coco_folder",
    "register_datasets",
    "register_image_folder",
]

register_datasets()
for _name, _source, _target in ready_pairs():
    register_adaptation(_name, _source, _target)
