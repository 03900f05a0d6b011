"""Gradient reversal, domain losses and consistency against values and gradients by hand."""

import math

import pytest
import torch
from torch import nn

from snr_plugins.nn.domain_classifiers import (
    SOURCE,
    TARGET,
    DomainClassifier,
    accuracy,
    consistency_loss,
    domain_loss,
    image_classifier,
    instance_classifier,
    within_image,
)
from snr_plugins.nn.gradient_scale import scale_gradient


def test_reversal_is_the_identity_and_turns_the_gradient():
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = scale_gradient(x, -0.1)
    assert torch.equal(y, x)
    (y * torch.tensor([3.0, 5.0])).sum().backward()
    torch.testing.assert_close(x.grad, torch.tensor([-0.3, -0.5]))


@pytest.mark.parametrize("lr_factor", [1.0, 10.0])
def test_a_classifier_and_what_it_looks_at_get_their_own_gradients(lr_factor):
    """d/dw (w x) = x times the learning-rate factor; d/dx = w times the reversal, whatever that."""
    linear = nn.Linear(1, 1, bias=False)
    nn.init.constant_(linear.weight, 3.0)
    x = torch.tensor([[7.0]], requires_grad=True)
    DomainClassifier(linear, lr_factor)(x, -0.1).sum().backward()
    assert float(linear.weight.grad) == pytest.approx(7.0 * lr_factor)
    assert float(x.grad) == pytest.approx(-0.3)


def test_loss_of_each_domain_by_hand():
    """-log sigmoid(z) for the source, -log(1 - sigmoid(z)) for the target; images count alike."""
    first, second = torch.tensor([0.0, 2.0]), torch.tensor([-1.0])
    source = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    expected = (source + math.log(1 + math.exp(1))) / 2
    assert float(domain_loss([first, second], SOURCE)) == pytest.approx(expected)
    assert float(domain_loss([second], TARGET)) == pytest.approx(math.log(1 + math.exp(-1)))


def test_loss_without_any_box_is_zero_and_leaves_a_gradient():
    x = torch.zeros(3, requires_grad=True)
    loss = domain_loss([x[:0]], SOURCE)
    loss.backward()
    assert loss == 0 and torch.equal(x.grad, torch.zeros(3))
    assert accuracy([x[:0]], SOURCE) == 0.5


def test_gradient_of_the_loss_by_hand():
    """d/dz of the cross-entropy is sigmoid(z) - label, shared among an image's locations."""
    z = torch.tensor([0.5, -1.0], requires_grad=True)
    domain_loss([z], SOURCE).backward()
    expected = [(1 / (1 + math.exp(-v)) - 1) / 2 for v in (0.5, -1.0)]
    assert z.grad.tolist() == pytest.approx(expected)


def test_consistency_by_hand():
    """|q - p| for q of each image and level, the mean over RoIs of all images and over levels."""
    level = [torch.tensor([0.0, 0.0]), torch.tensor([math.log(3.0)])]  # q = 0.5 and 0.75
    other = [torch.tensor([math.log(3.0)]), torch.tensor([0.0])]  # q = 0.75 and 0.5
    rois = [torch.tensor([0.0]), torch.tensor([math.log(3.0), -math.log(3.0)])]  # p 0.5; 0.75, 0.25
    got = consistency_loss([level, other], rois)
    assert float(got) == pytest.approx((0 + 0 + 0.5 + 0.25 + 0.25 + 0.25) / 6)


def test_gradient_of_consistency_by_hand():
    """With p > q: dp/dz = p (1 - p) on the RoI, -q' / locations on the image; none is detached."""
    image = torch.tensor([0.0, 0.0], requires_grad=True)
    roi = torch.tensor([math.log(3.0)], requires_grad=True)
    consistency_loss([[image]], [roi]).backward()
    assert roi.grad.tolist() == pytest.approx([0.75 * 0.25])
    assert image.grad.tolist() == pytest.approx([-0.25 / 2] * 2)


def test_padding_is_left_out():
    logits = torch.arange(2 * 3 * 4.0).view(2, 1, 3, 4)
    first, second = within_image(logits, [(32, 64), (48, 40)], stride=16)
    assert first.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert second.tolist() == [12, 13, 14, 16, 17, 18, 20, 21, 22]


def test_accuracy_counts_the_right_side():
    logits = [torch.tensor([1.0, -1.0]), torch.tensor([2.0, 3.0])]
    assert accuracy(logits, SOURCE) == 0.75
    assert accuracy(logits, TARGET) == 0.25


def test_classifiers_start_as_published():
    torch.manual_seed(0)
    image, instance = image_classifier(256), instance_classifier(2048)
    deviations = [float(m.weight.std()) for m in image.network if isinstance(m, nn.Conv2d)]
    assert deviations == pytest.approx([0.001, 0.001], rel=0.15)
    deviations = [float(m.weight.std()) for m in instance.network if isinstance(m, nn.Linear)]
    assert deviations == pytest.approx([0.01, 0.01, 0.05], rel=0.1)
    assert [m.p for m in instance.network if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    for module in (image, instance):
        assert all((p == 0).all() for n, p in module.named_parameters() if n.endswith("bias"))
    assert image(torch.rand(2, 256, 3, 4), -0.1).shape == (2, 1, 3, 4)
    assert instance(torch.rand(5, 2048), -0.1).shape == (5, 1)
