"""A segmentor on images without a style: no channel varies."""

import pytest
import torch

from tests.finite import assert_finite
from tests.segmentation.networks import SIZE, build, samples, segmentor


@pytest.mark.fault(
    "numbers",
    "Images of one colour, black and white among them, through whole detectors, segmentors and "
    "classifiers, a step of training and a test, in float32 and under autocast in bfloat16",
    "losses, every gradient, every parameter and what is predicted are finite",
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("colour", [0, 90, 255])
def test_everything_stays_finite(colour, dtype, device):
    model = build(segmentor()).to(device).train()
    images = [torch.full((3, SIZE, SIZE), value, dtype=torch.uint8) for value in (colour, 90)]
    batch = {"inputs": images, "data_samples": samples(len(images))}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        losses = model(**model.data_preprocessor(batch, True), mode="loss")
        total, logged = model.parse_losses(losses)
    total.backward()
    optimizer.step()
    assert_finite(model, logged)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        found = model.eval().test_step(batch)
    assert all(torch.isfinite(sample.seg_logits.data).all() for sample in found)
