# GTA5 with labels, the training images of Cityscapes without; scored on Cityscapes' validation set.
_base_ = ["./gta5.py", "./cityscapes_unlabelled.py"]
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
            dict(type="CityscapesLayoutDataset", data_root="data/cityscapes", domain="cityscapes")
        ]
    )
)
test_evaluator = [dict(type="DomainIoUMetric", domain="cityscapes")]
randomness = dict(seed=0)  # of the frames' order too, which a resumed run keeps
