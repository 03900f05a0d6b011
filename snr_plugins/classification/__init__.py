"""SNR in MMPretrain. Importing this registers backbone, classifier, domains and their metric."""

from snr_plugins.classification.classifier import SNRImageClassifier
from snr_plugins.classification.datasets import DomainFolderDataset, LeaveOneOutDataset
from snr_plugins.classification.evaluation import DomainAccuracy
from snr_plugins.classification.moment_matching import (
    M3SDAImageClassifier,
    SNRM3SDAImageClassifier,
)
from snr_plugins.openmmlab.backbone import build_snr_backbone
from snr_plugins.openmmlab.calibration import CalibrateSNRHook
from snr_plugins.openmmlab.domain_turns import DomainTurnsSampler
from snr_plugins.openmmlab.stamp import StampHook

__all__ = [
    "CalibrateSNRHook",
    "DomainAccuracy",
    "DomainFolderDataset",
    "DomainTurnsSampler",
    "LeaveOneOutDataset",
    "M3SDAImageClassifier",
    "SNRImageClassifier",
    "SNRM3SDAImageClassifier",
    "StampHook",
    "build_snr_backbone",
]
