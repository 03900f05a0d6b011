_base_ = "./deeplabv2_r101_cityscapes_to_rio_maxsquare.py"
model = dict(type="SNRMaxSquareEncoderDecoder", backbone=dict(type="SNRResNet"))
custom_hooks = [dict(type="CalibrateSNRHook")]
load_from = "work_dirs/deeplabv2_r101_cityscapes_13_snr/iter_40000.pth"  # trained on the source
