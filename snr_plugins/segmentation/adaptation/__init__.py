"""Adaptation of MMSegmentation's networks: a labelled source, unlabelled pictures of the target."""

from snr_plugins.segmentation.adaptation.data import ImageFolderDataset, SourceTargetDataset
from snr_plugins.segmentation.adaptation.discrepancy import (
    MaximumDiscrepancy,
    MCDEncoderDecoder,
    SNRMCDEncoderDecoder,
)
from snr_plugins.segmentation.adaptation.max_square import (
    MaxSquare,
    MaxSquareEncoderDecoder,
    SNRMaxSquareEncoderDecoder,
)
from snr_plugins.segmentation.adaptation.mean_teacher import (
    MeanTeacher,
    MeanTeacherEncoderDecoder,
    SNRMeanTeacherEncoderDecoder,
)
from snr_plugins.segmentation.adaptation.preprocessor import SourceTargetPreProcessor

__all__ = [
    "ImageFolderDataset",
    "MCDEncoderDecoder",
    "MaxSquare",
    "MaxSquareEncoderDecoder",
    "MaximumDiscrepancy",
    "MeanTeacher",
    "MeanTeacherEncoderDecoder",
    "SNRMCDEncoderDecoder",
    "SNRMaxSquareEncoderDecoder",
    "SNRMeanTeacherEncoderDecoder",
    "SourceTargetDataset",
    "SourceTargetPreProcessor",
]
