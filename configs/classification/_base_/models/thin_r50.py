# A half-width ResNet-50 of Caffe's kind (stride in the 1x1, BGR, std 1) with frozen batch norm and
# a frozen first stage: what a CPU core trains in minutes, from pretrained weights.
model = dict(
    type="ImageClassifier",
    data_preprocessor=dict(mean=[104.0, 117.0, 123.0], std=[1.0, 1.0, 1.0], to_rgb=False),
    backbone=dict(
        type="ResNet",
        depth=50,
        stem_channels=64,
        base_channels=32,
        style="caffe",
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="data/resnet50_thin.pth"),
    ),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes=7,
        in_channels=1024,
        loss=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
)
