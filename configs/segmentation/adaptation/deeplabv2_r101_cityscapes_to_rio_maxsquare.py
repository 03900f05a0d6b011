_base_ = [
    "../_base_/models/deeplabv2_r101.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/cityscapes_to_rio.py",
    "../_base_/schedules/schedule_deeplabv2.py",
]
model = dict(
    type="MaxSquareEncoderDecoder",
    threshold=0.98,  # of multi_level=True, as the authors have it for these cities
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(512, 1024)),
    decode_head=dict(num_classes=13),
    auxiliary_head=dict(num_classes=13),
)
load_from = "work_dirs/deeplabv2_r101_cityscapes_13/iter_40000.pth"  # trained on the source
