# From random weights there is no style to start at: no calibrated start.
_base_ = "./resnet18_digits.py"
model = dict(
    type="SNRImageClassifier",
    backbone=dict(
        _delete_=True,
        type="SNRBackbone",
        backbone={{_base_.model.backbone}},
        after=["layer1", "layer2", "layer3"],
    ),
)
