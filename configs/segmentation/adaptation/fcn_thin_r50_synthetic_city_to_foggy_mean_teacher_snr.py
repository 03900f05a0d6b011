_base_ = "./fcn_thin_r50_synthetic_city_to_foggy_mean_teacher.py"
model = dict(type="SNRMeanTeacherEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
load_from = "work_dirs/fcn_thin_r50_synthetic_city_snr/iter_300.pth"  # trained on the source
