_base_ = [
    "../_base_/models/deeplabv3plus_thin_r50.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/camvid_to_dusk.py",
    "../_base_/schedules/schedule_adapt_100.py",
]
model = dict(
    type="MaxSquareEncoderDecoder",
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(240, 320)),
    decode_head=dict(num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
load_from = "work_dirs/deeplabv3plus_thin_r50_camvid/iter_300.pth"  # trained on the source
