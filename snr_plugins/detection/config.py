"""The keys under ``MODEL.SNR``."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_snr_config(cfg: CfgNode) -> None:
    """Add the keys that SNR's backbones and meta-architecture read."""
    snr = CfgNode()

    # Stages of the ResNet that an SNR follows. The paper's released code uses the first three.
    snr.STAGES = ["res2", "res3", "res4"]

    # Channels of a stage over channels of its gate's hidden layer.
    snr.REDUCTION = 16

    # Initial bias of each gate. 0 starts half-way to instance norm (the paper); a large value
    # opens the gates, and a network with open gates computes what it computed without SNR.
    snr.GATE_BIAS = 0.0

    # How the gate reads the residual: "residual" (the paper), "bounded", "static", or "closed" for
    # instance norm alone; see snr_plugins/nn/gate.py.
    snr.GATE = "residual"

    # Training batches, per process, over which gamma and beta start at the source's average style
    # instead of 1 and 0 (snr_plugins.nn.calibrate). Done by tools/train.py before the first step;
    # Detectron2's own launchers have no place for it. 0 is the paper.
    snr.CALIBRATE = 0

    # Whether an SNR also follows every output of the FPN (build_snr_resnet_fpn_backbone only).
    snr.NECK = False

    # Weight of the restitution loss, summed over all SNRs. 0.0 switches it off.
    snr.LOSS_WEIGHT = 0.1

    # Weight of the cross-entropy that teaches each SNR's linear probe to tell classes apart.
    # The restitution loss compares entropies of that probe; untrained, they mean nothing.
    snr.PROBE_WEIGHT = 0.1

    cfg.MODEL.SNR = snr
