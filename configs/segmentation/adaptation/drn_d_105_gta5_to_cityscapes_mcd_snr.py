_base_ = "./drn_d_105_gta5_to_cityscapes_mcd.py"
model = dict(type="SNRMCDEncoderDecoder", backbone=dict(type="SNRDRN"))
custom_hooks = [dict(type="CalibrateSNRHook")]
