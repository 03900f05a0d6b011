_base_ = "./deeplabv3plus_thin_r50_camvid_to_dusk_mean_teacher.py"
model = dict(type="SNRMeanTeacherEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
