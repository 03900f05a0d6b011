# DeepLabV3+ on a half-width ResNet-50 of Caffe's kind (stride in the 1x1, BGR, std 1) with frozen
# batch norm, a frozen first stage and output stride 16: what a CPU core trains in minutes. From
# random weights a network this frozen learns nothing, so it asks for pretrained ones
# (docs/datasets.md).
_base_ = "mmseg::_base_/models/deeplabv3plus_r50-d8.py"
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    pretrained=None,
    data_preprocessor=dict(mean=[104.0, 117.0, 123.0], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        type="ResNet",
        stem_channels=64,
        base_channels=32,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        frozen_stages=1,
        style="caffe",
        contract_dilation=True,
        norm_cfg=dict(type="BN", requires_grad=False),
        norm_eval=True,
        init_cfg=dict(type="Pretrained", checkpoint="data/resnet50_thin.pth"),
    ),
    decode_head=dict(
        in_channels=1024,
        channels=128,
        dilations=(1, 6, 12, 18),
        c1_in_channels=128,
        c1_channels=24,
        norm_cfg=norm_cfg,
    ),
    auxiliary_head=dict(in_channels=512, channels=64, norm_cfg=norm_cfg),
)
