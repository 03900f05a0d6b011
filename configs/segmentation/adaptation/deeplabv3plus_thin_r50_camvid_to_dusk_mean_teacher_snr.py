_base_ = "./deeplabv3plus_thin_r50_camvid_to_dusk_mean_teacher.py"
model = dict(type="SNRMeanTeacherEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
load_from = "work_dirs/deeplabv3plus_thin_r50_camvid_snr/iter_300.pth"  # trained on the source
