"""The method in plain torch: style layers, their insertion, and the restitution loss."""

from snr_plugins.nn.affine import Affine, Coefficients
from snr_plugins.nn.calibration import calibrate, untrained
from snr_plugins.nn.describe import describe_network
from snr_plugins.nn.distance_output import WithStyleDistance
from snr_plugins.nn.ibn import IBNa, IBNb
from snr_plugins.nn.insertion import insert_layer, insert_snr
from snr_plugins.nn.layers import LAYERS, create_layer, layer_options
from snr_plugins.nn.random_styles import DSU, MixStyle, NormalisationPerturbation
from snr_plugins.nn.records import StyleRecord, recorded_styles
from snr_plugins.nn.remade import remade_outputs
from snr_plugins.nn.restitution import RestitutionLoss, RestitutionTerms
from snr_plugins.nn.shapes import Shape
from snr_plugins.nn.snr import SNR, find_snr, observed
from snr_plugins.nn.spatial import SpatialSNR
from snr_plugins.nn.stage_losses import StageLosses
from snr_plugins.nn.stages import default_stages
from snr_plugins.nn.style import InstanceNorm, Observation, StyleLayer, find_layers
from snr_plugins.nn.teacher import Teacher
from snr_plugins.nn.trust import Trust, style_distances

__all__ = [
    "DSU",
    "LAYERS",
    "SNR",
    "Affine",
    "Coefficients",
    "IBNa",
    "IBNb",
    "InstanceNorm",
    "MixStyle",
    "NormalisationPerturbation",
    "Observation",
    "RestitutionLoss",
    "RestitutionTerms",
    "Shape",
    "SpatialSNR",
    "StageLosses",
    "StyleLayer",
    "StyleRecord",
    "Teacher",
    "Trust",
    "WithStyleDistance",
    "calibrate",
    "create_layer",
    "default_stages",
    "describe_network",
    "find_layers",
    "find_snr",
    "insert_layer",
    "insert_snr",
    "layer_options",
    "observed",
    "recorded_styles",
    "remade_outputs",
    "style_distances",
    "untrained",
]
