# To test, not to train: with gates this far open SNR is the identity, and a checkpoint of
# fcn_r50_gta5.py must score here what it scores there. In float32 the gate's derivative is zero,
# so it would never learn; fcn_r50_gta5_snr_open_gate.py does.
_base_ = "./fcn_r50_gta5_snr.py"
model = dict(backbone=dict(snr=dict(gate_bias=20.0)))
