# CamVid in data/camvid/<split>/{images,labels}: day to learn from, unseen days and dusk to test on.
# Half size: a CPU is enough.
custom_imports = dict(imports=["snr_plugins.segmentation"], allow_failed_imports=False)
data_root = "data/camvid"
crop_size = (240, 320)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadLabelIds"),
    dict(type="RandomResize", scale=(320, 240), ratio_range=(1.0, 1.5), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(320, 240), keep_ratio=True),
    dict(type="LoadLabelIds"),  # after Resize: scored at the labels' own size
    dict(type="PackSegInputs"),
]
tta_pipeline = [  # of test.py --tta: six scales, each flipped too
    dict(type="LoadImageFromFile"),
    dict(
        type="TestTimeAug",
        transforms=[
            [
                dict(type="Resize", scale=(int(320 * ratio), int(240 * ratio)), keep_ratio=True)
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
        type="CamVidDataset",
        data_root=data_root,
        split="day_train",
        domain="day",  # as it is scored: an adaptation may be chosen by that score
        pipeline=train_pipeline,
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
                type="CamVidDataset",
                data_root=data_root,
                split="day_val",
                domain="day",
            ),
            dict(
                type="CamVidDataset",
                data_root=data_root,
                split="dusk_val",
                domain="dusk",
            ),
        ],
    ),
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="day"),
    dict(type="DomainIoUMetric", domain="dusk"),
]
val_dataloader = test_dataloader
val_evaluator = test_evaluator
