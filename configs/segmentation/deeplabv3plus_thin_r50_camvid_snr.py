_base_ = "./deeplabv3plus_thin_r50_camvid.py"
model = dict(type="SNREncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
