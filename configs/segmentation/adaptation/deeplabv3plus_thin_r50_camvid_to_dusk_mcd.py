_base_ = [
    "../_base_/models/deeplabv3plus_thin_r50.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/camvid_to_dusk.py",
    "../_base_/schedules/schedule_300.py",
]
model = dict(
    type="MCDEncoderDecoder",
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(240, 320)),
    decode_head=dict(num_classes=11),
    auxiliary_head=dict(num_classes=11),
)
# of torchrun: MMEngine's own wrapper would make one of the three updates
model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)
