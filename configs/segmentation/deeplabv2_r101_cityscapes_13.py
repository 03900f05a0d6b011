_base_ = [
    "./_base_/models/deeplabv2_r101.py",
    "mmseg::_base_/default_runtime.py",
    "./_base_/datasets/cityscapes_13.py",
    "./_base_/schedules/schedule_deeplabv2.py",
]
model = dict(
    data_preprocessor=dict(size=(512, 1024)),
    decode_head=dict(num_classes=13),
    auxiliary_head=dict(num_classes=13),
)
