_base_ = "./drn_d_105_gta5.py"
model = dict(type="SNREncoderDecoder", backbone=dict(type="SNRDRN"))
custom_hooks = [dict(type="CalibrateSNRHook")]
