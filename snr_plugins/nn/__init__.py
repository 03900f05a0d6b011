"""The method in plain torch: the SNR module, its insertion, and the restitution loss."""

from snr_plugins.nn.affine import Affine, Coefficients
from snr_plugins.nn.calibration import calibrate, untrained
from snr_plugins.nn.insertion import insert_snr
from snr_plugins.nn.restitution import RestitutionLoss, RestitutionTerms
from snr_plugins.nn.snr import SNR, Step, find_snr, observed

__all__ = [
    "SNR",
    "Affine",
    "Coefficients",
    "RestitutionLoss",
    "RestitutionTerms",
    "Step",
    "calibrate",
    "find_snr",
    "insert_snr",
    "observed",
    "untrained",
]
