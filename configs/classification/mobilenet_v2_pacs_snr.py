_base_ = "./mobilenet_v2_pacs.py"
model = dict(
    type="SNRImageClassifier",
    backbone=dict(
        _delete_=True,
        type="SNRBackbone",
        backbone={{_base_.model.backbone}},
        after=["layer2", "layer3", "layer5"],  # strides 4, 8 and 16, as a ResNet's first stages
    ),
)
custom_hooks = [dict(type="CalibrateSNRHook")]
