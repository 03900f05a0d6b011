# Cityscapes with labels, the 3200 unlabelled images of Tokyo beside it; scored on 100 others.
_base_ = "./cityscapes_13.py"
train_dataloader = dict(
    batch_size=2,  # one of each domain
    sampler=dict(_delete_=True, type="SourceTargetSampler"),
    dataset=dict(
        _delete_=True,
        type="SourceTargetDataset",
        source=_base_.train_dataloader.dataset,
        target=dict(
            type="CrossCityDataset", data_root="data/cross_city", city="Tokyo", split="Train"
        ),
    ),
)
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type="CrossCityDataset",
                data_root="data/cross_city",
                city="Tokyo",
                metainfo=dict(classes=_base_.cross_city_classes),
            )
        ]
    )
)
test_evaluator = [dict(type="DomainIoUMetric", domain="Tokyo")]
randomness = dict(seed=0)  # of the frames' order too, which a resumed run keeps
