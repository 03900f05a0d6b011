"""The discrepancy of two classifiers by hand."""

import pytest
import torch

from snr_plugins.nn.discrepancy import discrepancy


def test_value_and_gradient_by_hand():
    """Two pixels of two classes: |0.3| twice, |0.1| twice; mean of four."""
    first = torch.tensor([[0.8, 0.4], [0.2, 0.6]]).view(1, 2, 1, 2).requires_grad_()
    second = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).view(1, 2, 1, 2).requires_grad_()
    loss = discrepancy(first, second)
    assert loss.item() == pytest.approx(0.2)
    loss.backward()
    signs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).view(1, 2, 1, 2)
    torch.testing.assert_close(first.grad, signs / 4)
    torch.testing.assert_close(second.grad, -signs / 4)


def test_padding_does_not_count():
    torch.manual_seed(0)
    first, second = torch.rand(2, 2, 3, 4, 6).softmax(2)
    valid = torch.ones(2, 4, 6, dtype=torch.bool)
    valid[0, 2:], valid[1, :, 5] = False, False
    apart = [float((a - b).abs()[:, v].sum()) for a, b, v in zip(first, second, valid, strict=True)]
    expected = sum(apart) / (3 * int(valid.sum()))
    assert discrepancy(first, second, valid).item() == pytest.approx(expected)
    assert discrepancy(first, second, valid & False) == 0


def test_bounds():
    assert discrepancy(torch.eye(3), torch.eye(3)) == 0
    opposite = torch.eye(3)[[1, 2, 0]]
    assert discrepancy(torch.eye(3), opposite).item() == pytest.approx(2 / 3)
