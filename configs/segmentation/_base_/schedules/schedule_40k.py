# MMSegmentation's schedule of 40k iterations, without validation: see the datasets' configs.
_base_ = "mmseg::_base_/schedules/schedule_40k.py"
val_cfg = None
default_hooks = dict(
    visualization=dict(interval=1),  # test.py --show-dir: all frames
    stamp=dict(type="StampHook"),
    random_numbers=dict(type="RandomNumbersHook"),
)
