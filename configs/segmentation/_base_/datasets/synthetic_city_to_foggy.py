# The rendered city's clear streets with labels, its training streets in fog of beta 0.02 without;
# scored on unseen streets in all conditions.
_base_ = "./synthetic_city.py"
train_dataloader = dict(
    batch_size=8,  # half of each domain
    sampler=dict(_delete_=True, type="SourceTargetSampler"),
    dataset=dict(
        _delete_=True,
        type="SourceTargetDataset",
        source=_base_.train_dataloader.dataset,
        target=dict(
            type="CityscapesLayoutDataset",
            data_root=_base_.data_root,
            split="train",
            condition="foggy_beta_0.02",
        ),
    ),
)
randomness = dict(seed=0)  # of the frames' order too, which a resumed run keeps
