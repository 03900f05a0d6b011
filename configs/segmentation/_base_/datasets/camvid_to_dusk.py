# CamVid's days with labels, its dusk without. The dusk that is learned from is the dusk that is
# scored: the transductive setting, as the stamp says. Its labels are read by the scores alone.
_base_ = "./camvid.py"
train_dataloader = dict(
    batch_size=8,  # half of each domain
    sampler=dict(_delete_=True, type="SourceTargetSampler"),
    dataset=dict(
        _delete_=True,
        type="SourceTargetDataset",
        source=_base_.train_dataloader.dataset,
        target=dict(
            type="CamVidDataset", data_root=_base_.data_root, split="dusk_val", domain="dusk"
        ),
    ),
)
randomness = dict(seed=0)  # of the frames' order too, which a resumed run keeps
