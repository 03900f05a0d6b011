"""The same registered function in MMDetection: skipped where that is not installed."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from snr_plugins.nn import find_snr

mmdet = pytest.importorskip("mmdet", reason="MMDetection is optional: requirements/mmdet.txt")

CONFIG = """
_base_ = "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py"
custom_imports = dict(imports=["snr_plugins.openmmlab"], allow_failed_imports=False)
model = dict(
    backbone=dict(
        _delete_=True,
        type="SNRBackbone",
        backbone=_base_.model.backbone,
        after=["layer1", "layer2", "layer3"],
    )
)
"""


def test_mmdet_faster_rcnn_trains_with_the_registered_function(tmp_path):
    from mmdet.structures import DetDataSample
    from mmdet.utils import register_all_modules
    from mmengine.structures import InstanceData

    register_all_modules(init_default_scope=False)
    (tmp_path / "config.py").write_text(CONFIG)
    model = Config.fromfile(tmp_path / "config.py").model
    model.backbone.backbone.update(init_cfg=None, depth=18)
    model.neck.in_channels = [64, 128, 256, 512]
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmdet"):
        detector = MODELS.build(model)
    assert list(find_snr(detector)) == [f"backbone.layer{i}.snr" for i in (1, 2, 3)]
    sample = DetDataSample(metainfo={"img_shape": (96, 160), "pad_shape": (96, 160)})
    sample.set_metainfo({"batch_input_shape": (96, 160), "scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 60, 70], [30, 20, 150, 90]]), labels=torch.tensor([0, 3])
    )
    losses = detector.train()(torch.rand(1, 3, 96, 160), [sample], mode="loss")
    detector.parse_losses(losses)[0].backward()
    for name, snr in find_snr(detector).items():
        # layer1 is frozen by the config, its SNR is not
        assert all(parameter.grad is not None for parameter in snr.parameters()), name
