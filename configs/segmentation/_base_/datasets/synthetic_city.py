# The rendered city, at 384x192: clear streets to learn from; unseen streets in clear weather, fog,
# night and rain to test on. Make it with
#   python tools/make_synthetic_city.py --out data/synthetic_city
custom_imports = dict(imports=["snr_plugins.segmentation"], allow_failed_imports=False)
data_root = "data/synthetic_city"
crop_size = (192, 384)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabelIds"),
    dict(type="RandomResize", scale=(384, 192), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(384, 192), keep_ratio=True),
    dict(type="LoadLabelIds"),  # after Resize: scored at the labels' own size
    dict(type="PackSegInputs"),
]
tta_pipeline = [  # of test.py --tta: six scales, each flipped too
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(384 * ratio), int(192 * ratio)), keep_ratio=True)
                for ratio in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
            ],
            [dict(type="RandomFlip", prob=prob) for prob in (0.0, 1.0)],
            [dict(type="LoadLabelIds")],
            [dict(type="PackSegInputs")],
        ],
    ),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="CityscapesLayoutDataset", data_root=data_root, split="train", pipeline=train_pipeline
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="DomainConcatDataset",
        pipeline=test_pipeline,
        datasets=[
            dict(
                type="CityscapesLayoutDataset",
                data_root=data_root,
                condition="clear",
            ),
            dict(
                type="CityscapesLayoutDataset",
                data_root=data_root,
                condition="foggy_beta_0.01",
            ),
            dict(
                type="CityscapesLayoutDataset",
                data_root=data_root,
                condition="foggy_beta_0.02",
            ),
            dict(
                type="CityscapesLayoutDataset",
                data_root=data_root,
                condition="night",
            ),
            dict(
                type="CityscapesLayoutDataset",
                data_root=data_root,
                condition="rain",
            ),
        ],
    ),
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="clear"),
    dict(type="DomainIoUMetric", domain="foggy_beta_0.01"),
    dict(type="DomainIoUMetric", domain="foggy_beta_0.02"),
    dict(type="DomainIoUMetric", domain="night"),
    dict(type="DomainIoUMetric", domain="rain"),
]
val_dataloader = test_dataloader
val_evaluator = test_evaluator
