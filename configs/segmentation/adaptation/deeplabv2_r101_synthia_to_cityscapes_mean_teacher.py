_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/synthia_to_cityscapes.py",
    "../_base_/schedules/schedule_deeplabv2.py",
]
model = dict(
    type="MeanTeacherEncoderDecoder",
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(512, 1024)),
    decode_head=dict(num_classes=16),
    auxiliary_head=dict(num_classes=16),
)
load_from = "work_dirs/deeplabv2_r101_synthia/iter_40000.pth"  # trained on the source
