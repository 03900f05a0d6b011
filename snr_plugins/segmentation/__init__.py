"""SNR in MMSegmentation. Importing this registers backbones, neck, segmentors, heads, datasets."""

from snr_plugins.openmmlab.calibration import CalibrateSNRHook
from snr_plugins.openmmlab.neck import SNRNeck
from snr_plugins.openmmlab.stamp import StampHook
from snr_plugins.segmentation.adaptation import (
    ImageFolderDataset,
    MaxSquareEncoderDecoder,
    MCDEncoderDecoder,
    MeanTeacherEncoderDecoder,
    SNRMaxSquareEncoderDecoder,
    SNRMCDEncoderDecoder,
    SNRMeanTeacherEncoderDecoder,
    SourceTargetDataset,
    SourceTargetPreProcessor,
)
from snr_plugins.segmentation.backbone import SNRDRN, SNRResNet, SNRResNetV1c, SNRStages
from snr_plugins.segmentation.datasets import (
    CamVidDataset,
    CityscapesLayoutDataset,
    CrossCityDataset,
    GTA5Dataset,
    SYNTHIADataset,
)
from snr_plugins.segmentation.deeplabv2 import DeepLabV2Head
from snr_plugins.segmentation.domains import DomainConcatDataset, DomainDataset, SetDomain
from snr_plugins.segmentation.drn import DRN
from snr_plugins.segmentation.evaluation import DomainIoUMetric
from snr_plugins.segmentation.field_datasets import (
    ACDCDataset,
    BDD100KSegDataset,
    MapillaryVistasDataset,
)
from snr_plugins.segmentation.segmentor import SNRCascadeEncoderDecoder, SNREncoderDecoder
from snr_plugins.segmentation.transforms import LoadLabelIds

__all__ = [
    "DRN",
    "SNRDRN",
    "ACDCDataset",
    "BDD100KSegDataset",
    "CalibrateSNRHook",
    "CamVidDataset",
    "CityscapesLayoutDataset",
    "CrossCityDataset",
    "DeepLabV2Head",
    "DomainConcatDataset",
    "DomainDataset",
    "DomainIoUMetric",
    "GTA5Dataset",
    "ImageFolderDataset",
    "LoadLabelIds",
    "MCDEncoderDecoder",
    "MapillaryVistasDataset",
    "MaxSquareEncoderDecoder",
    "MeanTeacherEncoderDecoder",
    "SNRCascadeEncoderDecoder",
    "SNREncoderDecoder",
    "SNRMCDEncoderDecoder",
    "SNRMaxSquareEncoderDecoder",
    "SNRMeanTeacherEncoderDecoder",
    "SNRNeck",
    "SNRResNet",
    "SNRResNetV1c",
    "SNRStages",
    "SYNTHIADataset",
    "SetDomain",
    "SourceTargetDataset",
    "SourceTargetPreProcessor",
    "StampHook",
]
