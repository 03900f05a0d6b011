_base_ = "./thin_r50_pacs.py"
model = dict(
    type="SNRImageClassifier",
    backbone=dict(
        _delete_=True,
        type="SNRBackbone",
        backbone={{_base_.model.backbone}},
        after=["layer1", "layer2", "layer3"],
    ),
)
custom_hooks = [dict(type="CalibrateSNRHook")]
