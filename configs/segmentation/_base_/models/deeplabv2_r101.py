# DeepLabV2 on ResNet-101: the network of the paper's segmentation table.
_base_ = "mmseg::_base_/models/fcn_r50-d8.py"
norm_cfg = dict(type="BN", requires_grad=False)  # batches of 2 are too small for statistics
model = dict(
    pretrained="torchvision://resnet101",
    backbone=dict(type="ResNet", depth=101, norm_cfg=norm_cfg, norm_eval=True),
    decode_head=dict(
        _delete_=True,
        type="DeepLabV2Head",
        in_channels=2048,
        in_index=3,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
    auxiliary_head=dict(
        _delete_=True,
        type="DeepLabV2Head",
        in_channels=1024,
        in_index=2,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=0.1),
    ),
)
