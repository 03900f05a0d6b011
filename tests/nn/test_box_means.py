"""Against torchvision's ROIAlign, value and gradient."""

import pytest
import torch

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import roi_align

from snr_plugins.nn.box_means import box_means


def aligned(features, boxes, stride, samples):
    return roi_align(features, list(boxes), 1, 1 / stride, samples, aligned=True).flatten(1)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=3),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from([1, 4, 16]),
    st.sampled_from([1, 2, 14]),
    st.integers(0, 10**6),
)
def test_value_and_gradient_are_roialigns(counts, size, stride, samples, seed):
    """Boxes inside, across and beyond the map, and images without any."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(counts), 3, *size, generator=generator, dtype=torch.float64)
    extent = torch.tensor([size[1], size[0]] * 2) * stride
    boxes = []
    for count in counts:
        corners = torch.rand(count, 4, generator=generator, dtype=torch.float64) * 1.6 - 0.3
        first, last = corners[:, :2].minimum(corners[:, 2:]), corners[:, :2].maximum(corners[:, 2:])
        boxes.append(torch.cat([first, last], 1) * extent)
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    got, wanted = box_means(ours, boxes, stride, samples), aligned(theirs, boxes, stride, samples)
    torch.testing.assert_close(got, wanted)
    weights = torch.randn(wanted.shape, generator=generator, dtype=torch.float64)
    grads = [
        torch.autograd.grad((out * weights).sum(), x) for out, x in ((got, ours), (wanted, theirs))
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_maps_are_averaged_in_float32(dtype):
    features = torch.rand(2, 3, 40, 70).to(dtype)
    boxes = [torch.tensor([[1001.0, 320.0, 1108.0, 613.0]]), torch.zeros(0, 4)]
    with torch.autocast("cpu", torch.bfloat16):
        got = box_means(features, boxes, 16)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, aligned(features.float(), boxes, 16, 14))
