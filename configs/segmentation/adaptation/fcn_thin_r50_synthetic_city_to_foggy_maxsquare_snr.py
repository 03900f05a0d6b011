_base_ = "./fcn_thin_r50_synthetic_city_to_foggy_maxsquare.py"
model = dict(type="SNRMaxSquareEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
load_from = "work_dirs/fcn_thin_r50_synthetic_city_snr/iter_300.pth"  # trained on the source
