# A narrow ResNet-18 from random weights: a minute or two on a CPU core
_base_ = ["./_base_/datasets/digits.py", "./_base_/schedules/schedule_200.py"]
model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, to_rgb=True),
    backbone=dict(type="ResNet_CIFAR", depth=18, stem_channels=16, base_channels=16),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes=10,
        in_channels=128,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=0.1))
