# 200 iterations: minutes on a CPU core, from a pretrained network. Features are large where batch
# norm is frozen: at a rate of 0.01 the head oscillates and nothing is learned.
_base_ = "mmpretrain::_base_/default_runtime.py"
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.002, momentum=0.9, weight_decay=0.0005),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type="CosineAnnealingLR", eta_min=0, begin=20, end=200, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=200, val_interval=200)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=200),
    stamp=dict(type="StampHook", metric="accuracy"),
    random_numbers=dict(type="RandomNumbersHook"),
)
