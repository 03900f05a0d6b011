_base_ = [
    "../_base_/models/fcn_thin_r50.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/synthetic_city_to_night.py",
    "../_base_/schedules/schedule_300.py",
]
model = dict(
    type="MCDEncoderDecoder",
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(192, 384)),
    decode_head=dict(num_classes=19),
    auxiliary_head=dict(num_classes=19),
)
# of torchrun: MMEngine's own wrapper would make one of the three updates
model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)
