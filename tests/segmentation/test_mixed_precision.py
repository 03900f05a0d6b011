"""A segmentor with the restitution loss over many steps in bfloat16."""

import pytest
import torch
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from snr_plugins.nn import find_snr
from tests.segmentation.networks import HEAD, PREPROCESSOR, build, segmentor

STEPS, SIZE = 2000, 32
STREET = {
    "data_preprocessor": {**PREPROCESSOR, "size": (SIZE, SIZE)},
    "decode_head": {**HEAD, "in_channels": 64, "in_index": 2, "num_classes": 2},
}


def streets(generator):
    """Two 8 bit images: class 0 above, class 1 below, each in a light of its own."""
    horizon = torch.randint(8, 24, (2,), generator=generator)
    rows = torch.arange(SIZE)[None, :, None]
    labels = (rows >= horizon[:, None, None]).long().expand(2, SIZE, SIZE)
    light = 40 + 60 * torch.rand(2, 3, 1, 1, generator=generator)
    noise = 20 * torch.randn(2, 3, SIZE, SIZE, generator=generator)
    images = (light + 60 * (1 - labels[:, None]) + noise).clamp(0, 255).to(torch.uint8)
    shape = {"img_shape": (SIZE, SIZE), "ori_shape": (SIZE, SIZE)}
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=label[None]), metainfo=shape) for label in labels
    ]
    return {"inputs": list(images), "data_samples": samples}


@pytest.mark.slow
@pytest.mark.fault(
    "numbers",
    "2,000 steps of a segmentor with the restitution loss under autocast in bfloat16",
    "every loss and every parameter stays finite, and the task's own loss falls to half",
    tries=STEPS,
)
def test_the_loss_falls_and_stays_finite(device):
    model = build(segmentor(**STREET)).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    # MMEngine's own wrapper asserts a GPU; on the CPU the plain one under autocast does the same
    if device.type == "cuda":
        wrapper = AmpOptimWrapper(optimizer=optimizer, dtype="bfloat16")
    else:
        wrapper = OptimWrapper(optimizer)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(STEPS):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            values = model.train_step(streets(generator), wrapper)
        assert all(torch.isfinite(value).all() for value in values.values()), values
        losses.append(float(values["decode.loss_ce"]))  # L has its floor near 2 log 2 a stage
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert len(find_snr(model)) == 3
    assert sum(losses[-100:]) < 0.5 * sum(losses[:100])


def test_mmengines_wrapper_refuses_the_cpu():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(AssertionError, match="only available training"):
        AmpOptimWrapper(optimizer=torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1))
