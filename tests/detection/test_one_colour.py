"""A detector on images without a style: no channel varies."""

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from tests.detection.test_mixed_precision import SIZE, TINY
from tests.detection.test_models import FPN, config
from tests.finite import assert_finite


@pytest.mark.fault(
    "numbers",
    "Images of one colour, black and white among them, through whole detectors, segmentors and "
    "classifiers, a step of training and a test, in float32 and under autocast in bfloat16",
    "losses, every gradient, every parameter and what is predicted are finite",
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("colour", [0.0, 90.0, 255.0])
def test_everything_stays_finite(colour, dtype, device):
    torch.manual_seed(0)
    model = build_model(config(FPN, *TINY, "MODEL.DEVICE", device.type)).train()
    batch = []
    for value, boxes in ((colour, [[4.0, 4.0, 40.0, 40.0]]), (90.0, [])):
        truth = Instances((SIZE, SIZE))
        truth.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        truth.gt_classes = torch.zeros(len(boxes), dtype=torch.long)
        batch.append({"image": torch.full((3, SIZE, SIZE), value), "instances": truth})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005)
    with EventStorage(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        losses = model(batch)
    sum(losses.values()).backward()
    optimizer.step()
    assert_finite(model, losses)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        found = model.eval()(batch)
    assert all(torch.isfinite(one["instances"].pred_boxes.tensor).all() for one in found)
