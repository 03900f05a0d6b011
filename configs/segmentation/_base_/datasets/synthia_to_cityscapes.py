# SYNTHIA with labels, the training images of Cityscapes without; scored on its validation set over
# the 16 classes and, as `cityscapes_13`, over the 13 without wall, fence and pole.
_base_ = ["./synthia.py", "./cityscapes_unlabelled.py"]
train_dataloader = dict(
    batch_size=2,  # one of each domain
    sampler=dict(_delete_=True, type="SourceTargetSampler"),
    dataset=dict(
        _delete_=True,
        type="SourceTargetDataset",
        source=_base_.train_dataloader.dataset,
        target=_base_.cityscapes_target,
    ),
)
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="CityscapesLayoutDataset",
                data_root="data/cityscapes",
                domain="cityscapes",
                metainfo=dict(classes=_base_.synthia_16),
            )
        ]
    )
)
test_evaluator = [
    dict(type="DomainIoUMetric", domain="cityscapes"),
    dict(
        type="DomainIoUMetric",
        domain="cityscapes",
        prefix="cityscapes_13",
        classes=_base_.synthia_13,
    ),
]
randomness = dict(seed=0)  # of the frames' order too, which a resumed run keeps
