_base_ = "./deeplabv2_r101_cityscapes_to_taipei_mean_teacher.py"
model = dict(type="SNRMeanTeacherEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
load_from = "work_dirs/deeplabv2_r101_cityscapes_13_snr/iter_40000.pth"  # trained on the source
