# The field's schedule for DeepLabV2 and DRN from synthetic streets: SGD 2.5e-4, weight decay 5e-4,
# poly 0.9, and ten times the rate for what starts untrained: classifiers, SNR and its probes.
_base_ = "mmseg::_base_/schedules/schedule_40k.py"
optim_wrapper = dict(
    optimizer=dict(lr=0.00025, weight_decay=0.0005),
    paramwise_cfg=dict(
        custom_keys={
            "decode_head": dict(lr_mult=10.0),
            "auxiliary_head": dict(lr_mult=10.0),
            "snr": dict(lr_mult=10.0),
            # of the layers that stand in SNR's place
            ".style.": dict(lr_mult=10.0),
            "ibn_a": dict(lr_mult=10.0),
            "ibn_b": dict(lr_mult=10.0),
        }
    ),
)
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=40000, by_epoch=False)]
val_cfg = None
default_hooks = dict(
    visualization=dict(interval=1),  # test.py --show-dir: all frames
    stamp=dict(type="StampHook"),
    random_numbers=dict(type="RandomNumbersHook"),
)
