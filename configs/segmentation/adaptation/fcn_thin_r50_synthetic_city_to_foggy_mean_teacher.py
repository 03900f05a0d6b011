_base_ = [
    "../_base_/models/fcn_thin_r50.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/synthetic_city_to_foggy.py",
    "../_base_/schedules/schedule_adapt_100.py",
]
model = dict(
    type="MeanTeacherEncoderDecoder",
    momentum=0.99,  # of few iterations
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(192, 384)),
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19),
)
load_from = "work_dirs/fcn_thin_r50_synthetic_city/iter_300.pth"  # trained on the source
