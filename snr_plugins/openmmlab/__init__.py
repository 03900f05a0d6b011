"""SNR for any OpenMMLab package: what needs MMEngine alone, registered in its root registries."""

from snr_plugins.openmmlab.backbone import build_snr_backbone
from snr_plugins.openmmlab.calibration import CalibrateSNRHook
from snr_plugins.openmmlab.domain_turns import DomainTurnsSampler
from snr_plugins.openmmlab.neck import SNRLayer, SNRNeck
from snr_plugins.openmmlab.random_numbers import RandomNumbersHook
from snr_plugins.openmmlab.restitution import RestitutionModel
from snr_plugins.openmmlab.source_target import SourceTargetSampler
from snr_plugins.openmmlab.stamp import StampHook
from snr_plugins.openmmlab.steps import StepsDistributedDataParallel

__all__ = [
    "CalibrateSNRHook",
    "DomainTurnsSampler",
    "RandomNumbersHook",
    "RestitutionModel",
    "SNRLayer",
    "SNRNeck",
    "SourceTargetSampler",
    "StampHook",
    "StepsDistributedDataParallel",
    "build_snr_backbone",
]
