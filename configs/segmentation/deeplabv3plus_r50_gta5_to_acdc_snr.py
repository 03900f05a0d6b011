_base_ = "./deeplabv3plus_r50_gta5_to_acdc.py"
model = dict(type="SNREncoderDecoder", backbone=dict(type="SNRResNetV1c"))
custom_hooks = [dict(type="CalibrateSNRHook")]
