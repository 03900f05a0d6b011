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
    dict(type="PackSegInputs", meta_keys=("img_path", "ori_shape", "img_shape", "domain")),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(
        type="CamVidDataset", data_root=data_root, split="day_train", pipeline=train_pipeline
    ),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="ConcatDataset",
        datasets=[
            dict(
                type="CamVidDataset",
                data_root=data_root,
                split="day_val",
                domain="day",
                pipeline=test_pipeline,
            ),
            dict(
                type="CamVidDataset",
                data_root=data_root,
                split="dusk_val",
                domain="dusk",
                pipeline=test_pipeline,
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
