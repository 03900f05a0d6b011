# MCD's own: SGD 1e-3, weight decay 2e-5, a constant rate; 50k iterations of three kinds of updates
_base_ = "mmseg::_base_/schedules/schedule_40k.py"
optim_wrapper = dict(optimizer=dict(lr=0.001, weight_decay=0.00002))
param_scheduler = []
train_cfg = dict(max_iters=50000, val_interval=50000)
val_cfg = None
default_hooks = dict(
    visualization=dict(interval=1),  # test.py --show-dir: all frames
    stamp=dict(type="StampHook"),
    random_numbers=dict(type="RandomNumbersHook"),
)
