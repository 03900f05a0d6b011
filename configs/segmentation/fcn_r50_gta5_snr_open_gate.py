# Start from any trained plain checkpoint of fcn_r50_gta5.py:
#   --cfg-options load_from=FILE
# Gates of 0.98 leave the network all but unchanged, and learn. gamma and beta start at the source's
# own style, as in every SNR config.
_base_ = "./fcn_r50_gta5_snr.py"
model = dict(backbone=dict(snr=dict(gate_bias=4.0)))
