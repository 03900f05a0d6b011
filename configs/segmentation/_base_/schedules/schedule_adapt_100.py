# 100 iterations from a network that was trained on the source: minutes on two CPU cores
_base_ = "./schedule_300.py"
optim_wrapper = dict(optimizer=dict(lr=0.002))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=10, by_epoch=False),
    dict(type="PolyLR", eta_min=1e-5, power=0.9, begin=10, end=100, by_epoch=False),
]
train_cfg = dict(max_iters=100, val_interval=100)
default_hooks = dict(checkpoint=dict(interval=100))
