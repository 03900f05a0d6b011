# Cityscapes to learn from, in the 13 classes that Cross-City has; its four cities, none of them
# seen in training, to test on. Folders: data/cityscapes, data/cross_city (see docs/datasets.md).
_base_ = "../tta_1024x512.py"
custom_imports = dict(imports=["snr_plugins.segmentation"], allow_failed_imports=False)
cross_city_classes = (
    "road",
    "sidewalk",
    "building",
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
crop_size = (512, 1024)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabelIds"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(1024, 512), keep_ratio=True),
    dict(type="LoadLabelIds"),  # after Resize: scored at the labels' own size
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="CityscapesLayoutDataset",
        data_root="data/cityscapes",
        split="train",
        metainfo=dict(classes=cross_city_classes),
        pipeline=train_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="DomainConcatDataset",
        pipeline=test_pipeline,
        datasets=[
            dict(
                type="CityscapesLayoutDataset",
                data_root="data/cityscapes",
                metainfo=dict(classes=cross_city_classes),
            ),
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Rio",
                metainfo=dict(classes=cross_city_classes),
            ),
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Rome",
                metainfo=dict(classes=cross_city_classes),
            ),
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Taipei",
                metainfo=dict(classes=cross_city_classes),
            ),
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Tokyo",
                metainfo=dict(classes=cross_city_classes),
            ),
        ],
    ),
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="clear"),
    dict(type="DomainIoUMetric", domain="Rio"),
    dict(type="DomainIoUMetric", domain="Rome"),
    dict(type="DomainIoUMetric", domain="Taipei"),
    dict(type="DomainIoUMetric", domain="Tokyo"),
]
# No validation on a target: a model chosen by its test scores has seen them.
val_dataloader = None
val_evaluator = None
