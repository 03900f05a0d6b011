_base_ = "./drn_d_105_cityscapes_to_tokyo_mcd.py"
model = dict(type="SNRMCDEncoderDecoder", backbone=dict(type="SNRDRN"))
custom_hooks = [dict(type="CalibrateSNRHook")]
