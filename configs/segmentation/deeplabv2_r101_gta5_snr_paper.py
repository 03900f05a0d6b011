# The paper's setting: gamma 1, beta 0, the gate on pool(R) started at one half and open to any
# style. The loss weighs what it always does, 0.01 a stage as in the released classification code.
_base_ = "./deeplabv2_r101_gta5_snr.py"
model = dict(
    backbone=dict(snr=dict(gate="residual", gate_bias=0.0, trust=False)),
)
custom_hooks = []
