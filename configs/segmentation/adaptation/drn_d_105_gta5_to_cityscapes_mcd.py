_base_ = [
    "../_base_/models/drn_d_105.py",
    "mmseg::_base_/default_runtime.py",
    "../_base_/datasets/gta5_to_cityscapes.py",
    "../_base_/schedules/schedule_mcd.py",
]
model = dict(
    type="MCDEncoderDecoder",
    data_preprocessor=dict(type="SourceTargetPreProcessor", size=(512, 1024)),
    decode_head=dict(num_classes=19),
)
# of torchrun: MMEngine's own wrapper would make one of the three updates
model_wrapper_cfg = dict(type="StepsDistributedDataParallel", find_unused_parameters=True)
