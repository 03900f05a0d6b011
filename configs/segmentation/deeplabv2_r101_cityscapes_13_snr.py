_base_ = "./deeplabv2_r101_cityscapes_13.py"
model = dict(type="SNREncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
