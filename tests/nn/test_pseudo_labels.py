"""Pseudo-labels by hand."""

import pytest
import torch
import torch.nn.functional as F

from snr_plugins.nn.pseudo_labels import (
    IGNORED,
    agreed_labels,
    confident_labels,
    pseudo_cross_entropy,
)


def pixels(*rows):
    """Probabilities (1, C, 1, W) from those of each pixel."""
    return torch.tensor(rows).T[None, :, None]


def test_confident_labels():
    p = pixels((0.9, 0.1), (0.45, 0.55), (0.2, 0.8), (0.05, 0.95))
    assert confident_labels(p, 0.8).flatten().tolist() == [0, IGNORED, IGNORED, 1]
    valid = torch.tensor([False, True, True, True]).view(1, 1, 4)
    assert confident_labels(p, 0.7, valid).flatten().tolist() == [IGNORED, IGNORED, 1, 1]


def test_agreed_labels():
    """Both sure; the auxiliary sure of another class, main less so; nobody sure; in the padding."""
    main = pixels((0.97, 0.03), (0.6, 0.4), (0.9, 0.1), (0.99, 0.01))
    aux = pixels((0.96, 0.04), (0.02, 0.98), (0.9, 0.1), (0.99, 0.01))
    valid = torch.tensor([True, True, True, False]).view(1, 1, 4)
    labels = agreed_labels(main, aux, 0.95, valid)
    assert labels.flatten().tolist() == [0, 1, IGNORED, IGNORED]


def test_labels_have_no_gradient():
    p = pixels((0.9, 0.1), (0.2, 0.8)).requires_grad_()
    assert not confident_labels(p, 0.5).requires_grad
    assert not agreed_labels(p, p, 0.5).requires_grad


def test_cross_entropy_is_shared_among_the_pixels_given():
    torch.manual_seed(0)
    scores = torch.randn(2, 3, 4, 5)
    labels = torch.randint(0, 3, (2, 4, 5))
    labels[:, :2] = IGNORED
    kept = labels != IGNORED
    each = F.cross_entropy(scores, labels.clamp(max=2), reduction="none")[kept]
    assert pseudo_cross_entropy(scores, labels, 40).item() == pytest.approx(each.sum().item() / 40)
    torch.testing.assert_close(pseudo_cross_entropy(scores, labels, kept.sum()), each.mean())


def test_no_label_at_all():
    scores = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = pseudo_cross_entropy(scores, torch.full((1, 2, 2), IGNORED), 0)
    loss.backward()
    assert loss == 0
    assert not scores.grad.any()
