_base_ = "./fcn_thin_r50_synthetic_city_to_night_mcd.py"
model = dict(type="SNRMCDEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
