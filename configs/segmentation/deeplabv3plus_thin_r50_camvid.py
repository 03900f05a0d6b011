_base_ = [
    "./_base_/models/deeplabv3plus_thin_r50.py",
    "mmseg::_base_/default_runtime.py",
    "./_base_/datasets/camvid.py",
    "./_base_/schedules/schedule_300.py",
]
model = dict(
    data_preprocessor=dict(size=(240, 320)),
    decode_head=dict(num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
