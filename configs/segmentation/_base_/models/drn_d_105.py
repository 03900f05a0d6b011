# DRN-D-105 with one 1x1 classifier, as in its paper (arXiv 1705.09914). Weights: the authors'
# drn_d_105 checkpoint, by
#   --cfg-options model.backbone.init_cfg.type=Pretrained model.backbone.init_cfg.checkpoint=FILE
_base_ = "mmseg::_base_/models/fcn_r50-d8.py"
norm_cfg = dict(type="SyncBN", requires_grad=True)
model = dict(
    pretrained=None,
    backbone=dict(_delete_=True, type="DRN", depth=105, norm_cfg=norm_cfg),
    decode_head=dict(
        _delete_=True,
        type="FCNHead",
        in_channels=512,
        in_index=3,
        channels=512,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0,
        loss_decode=dict(type="CrossEntropyLoss", loss_weight=1.0),
    ),
    auxiliary_head=None,
)
