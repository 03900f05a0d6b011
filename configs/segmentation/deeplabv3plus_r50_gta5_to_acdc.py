_base_ = [
    "mmseg::_base_/models/deeplabv3plus_r50-d8.py",
    "mmseg::_base_/default_runtime.py",
    "./_base_/datasets/gta5_to_acdc.py",
    "./_base_/schedules/schedule_40k.py",
]
model = dict(data_preprocessor=dict(size=(512, 1024)))
