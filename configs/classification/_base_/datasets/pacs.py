# PACS in data/pacs/<domain>/<class>: three domains to learn from, one that is held out to test on.
# Small images: a CPU is enough.
custom_imports = dict(imports=["snr_plugins.classification"], allow_failed_imports=False)
held_out = "sketch"  # --cfg-options held_out=photo: tools/train.py sets it in every loader
dataset = dict(type="LeaveOneOutDataset", data_root="data/pacs", layout="pacs", held_out=held_out)
pack = dict(type="PackInputs", meta_keys=("img_path", "domain"))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RandomResizedCrop", scale=96, crop_ratio_range=(0.6, 1.0)),
    dict(type="RandomFlip", prob=0.5),
    pack,
]
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="Resize", scale=(96, 96)), pack]
train_dataloader = dict(
    batch_size=48,  # 16 of each source
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DomainTurnsSampler"),
    dataset=dict(pipeline=train_pipeline, **dataset),
)
val_dataloader = dict(
    batch_size=48,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(pipeline=test_pipeline, test_mode=True, **dataset),
)
val_evaluator = dict(type="DomainAccuracy")
test_dataloader = val_dataloader
test_evaluator = val_evaluator
