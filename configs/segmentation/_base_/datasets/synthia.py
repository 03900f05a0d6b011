# SYNTHIA to learn from, 16 classes; the same unseen tests as gta5.py. Cityscapes is scored over the
# 16 classes and, as `clear_13`, over the 13 that are left without wall, fence and pole.
_base_ = "./gta5.py"
synthia_16 = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "sky",
    "person",
    "rider",
    "car",
    "bus",
    "motorcycle",
    "bicycle",
)
synthia_13 = synthia_16[:3] + synthia_16[6:]
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabelIds"),
    dict(type="Resize", scale=(1280, 760)),
    dict(type="RandomCrop", crop_size=_base_.crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    dataset=dict(
        type="SYNTHIADataset",
        data_root="data/synthia",
        metainfo=dict(classes=synthia_16),
        pipeline=train_pipeline,
    )
)
test_dataloader = _base_.test_dataloader
for target in test_dataloader.dataset.datasets:
    target.metainfo = dict(classes=synthia_16)
del target
test_evaluator = _base_.test_evaluator + [
    dict(type="DomainIoUMetric", domain="clear", prefix="clear_13", classes=synthia_13)
]
