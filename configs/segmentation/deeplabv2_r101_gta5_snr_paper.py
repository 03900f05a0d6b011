# The paper's setting: gamma 1, beta 0, the gate on pool(R) started at one half and open to any
# style, and the weight of the released classification code, 0.01 a stage.
_base_ = "./deeplabv2_r101_gta5_snr.py"
model = dict(
    snr_loss_weight=0.01,
    snr_probe_weight=0.01,
    backbone=dict(snr=dict(gate="residual", gate_bias=0.0, trust=False)),
)
custom_hooks = []
