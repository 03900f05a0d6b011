# MMSegmentation's schedule of 40k iterations, without validation: see the datasets' configs.
_base_ = "mmseg::_base_/schedules/schedule_40k.py"
val_cfg = None
default_hooks = dict(stamp=dict(type="StampHook"))
