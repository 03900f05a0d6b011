"""SNR for any OpenMMLab package: what needs MMEngine alone, registered in its root registries."""

from snr_plugins.openmmlab.backbone import build_snr_backbone
from snr_plugins.openmmlab.calibration import CalibrateSNRHook
from snr_plugins.openmmlab.neck import SNRLayer, SNRNeck
from snr_plugins.openmmlab.stamp import StampHook

__all__ = ["CalibrateSNRHook", "SNRLayer", "SNRNeck", "StampHook", "build_snr_backbone"]
