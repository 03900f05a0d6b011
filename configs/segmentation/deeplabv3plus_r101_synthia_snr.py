_base_ = "./deeplabv3plus_r101_synthia.py"
model = dict(type="SNREncoderDecoder", backbone=dict(type="SNRResNetV1c"))
custom_hooks = [dict(type="CalibrateSNRHook")]
