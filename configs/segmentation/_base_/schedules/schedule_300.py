# 300 iterations: minutes on two CPU cores, from a pretrained network
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=0.0005),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=30, by_epoch=False),
    dict(type="PolyLR", eta_min=1e-5, power=0.9, begin=30, end=300, by_epoch=False),
]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=300, val_interval=300)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=300),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook", interval=1),  # test.py --show-dir: all frames
    stamp=dict(type="StampHook"),
    random_numbers=dict(type="RandomNumbersHook"),
)
