_base_ = "./deeplabv3plus_thin_r50_camvid_to_dusk_mcd.py"
model = dict(type="SNRMCDEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
