"""A classifier on images without a style: no channel varies."""

import pytest
import torch

pytest.importorskip("mmpretrain")

from tests.classification.test_classifier import LABELS, build, samples
from tests.finite import assert_finite


@pytest.mark.fault(
    "numbers",
    "Images of one colour, black and white among them, through whole detectors, segmentors and "
    "classifiers, a step of training and a test, in float32 and under autocast in bfloat16",
    "losses, every gradient, every parameter and what is predicted are finite",
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("colour", [-2.0, 0.0, 2.0])
def test_everything_stays_finite(colour, dtype, device):
    model = build().to(device).train()
    images = torch.zeros(len(LABELS), 3, 32, 32, device=device)
    images[::2] = colour
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        losses = model.loss(images, samples())
    sum(losses.values()).backward()
    optimizer.step()
    assert_finite(model, losses)
    with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        found = model.eval().predict(images, samples())
    assert all(torch.isfinite(sample.pred_score).all() for sample in found)
