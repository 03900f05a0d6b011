# Cityscapes' training images as a target without labels, for gta5_to_cityscapes.py and its like
cityscapes_target = dict(
    type="CityscapesLayoutDataset",
    data_root="data/cityscapes",
    split="train",
    domain="cityscapes",
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(1024, 512), keep_ratio=True),
        dict(type="RandomFlip", prob=0.5),
        dict(type="PhotoMetricDistortion"),
        dict(type="PackSegInputs"),
    ],
)
