"""Both forms of MaxSquare against values and gradients by hand, and loops over single pixels."""

import math

import pytest
import torch

from snr_plugins.nn.max_square import image_wise_max_square, max_square


def probabilities(count=3, classes=4, seed=0):
    torch.manual_seed(seed)
    return (3 * torch.randn(count, classes, 5, 6)).softmax(dim=1)


def test_plain_by_hand():
    """Two pixels, two classes: (0.8, 0.2) and (0.5, 0.5); -(0.68 + 0.5) / (2 * 2 pixels * 2)."""
    p = torch.tensor([[0.8, 0.5], [0.2, 0.5]]).view(1, 2, 1, 2).requires_grad_()
    loss = max_square(p)
    assert loss.item() == pytest.approx(-1.18 / 8)
    loss.backward()
    torch.testing.assert_close(p.grad, -p.detach() / 4)  # d/dp of -p^2 / 8


def test_gradient_by_the_logits():
    """d/dz of -sum p^2 / 2C is -p_k (p_k - sum p^2) / C: linear where entropy's is not."""
    z = torch.tensor([2.0, 0.5, -1.0], requires_grad=True)
    max_square(z.softmax(0).view(1, 3, 1, 1)).backward()
    p = z.detach().softmax(0)
    torch.testing.assert_close(z.grad, -p * (p - p.square().sum()) / 3)


def test_image_wise_by_hand():
    """An image of three pixels of class 0 and one of class 1, ratio 0.5.

    Weights: 1 / (3^0.5 * 4^0.5) three times, 1 / (1^0.5 * 4^0.5) once.
    """
    p = torch.tensor([[0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.3, 0.6]]).view(1, 2, 2, 2)
    p.requires_grad_()
    squares = [0.82, 0.68, 0.58, 0.52]
    weights = [1 / math.sqrt(12)] * 3 + [1 / 2]
    loss = image_wise_max_square(p, ratio=0.5)
    assert loss.item() == pytest.approx(
        -sum(s * w for s, w in zip(squares, weights, strict=True)) / 2
    )
    loss.backward()
    expected = -p.detach() * torch.tensor(weights).view(1, 1, 2, 2)  # 2 p w / C; w has no gradient
    torch.testing.assert_close(p.grad, expected)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 1.0])
def test_image_wise_pixel_by_pixel(ratio):
    p = probabilities()
    valid = torch.rand(3, 5, 6) < 0.7
    total = 0.0
    for image, counts in zip(p, valid, strict=True):
        pixels = image[:, counts].T  # (M, C)
        classes = pixels.argmax(1).tolist()
        for pixel, own in zip(pixels, classes, strict=True):
            of_class = classes.count(own)
            weight = 1 / max(of_class**ratio * len(classes) ** (1 - ratio), 1)
            total -= weight * float(pixel.square().sum())
    expected = total / (3 * 4)
    assert image_wise_max_square(p, valid, ratio).item() == pytest.approx(expected, rel=1e-5)


def test_image_wise_at_ratio_0_is_twice_plain():
    p = probabilities()
    torch.testing.assert_close(image_wise_max_square(p, ratio=0), 2 * max_square(p))


def test_a_batch_is_the_mean_of_its_images():
    """Where the authors' code is right for batches of one alone."""
    p = probabilities()
    alone = torch.stack([image_wise_max_square(image[None]) for image in p])
    torch.testing.assert_close(image_wise_max_square(p), alone.mean())
    assert alone.std() > 1e-3


@pytest.mark.parametrize("loss", [max_square, image_wise_max_square])
def test_padding_does_not_count(loss):
    p = probabilities()
    padded = torch.cat([p, torch.full((3, 4, 5, 2), 0.25)], dim=3)
    valid = torch.ones(3, 5, 8, dtype=torch.bool)
    valid[..., 6:] = False
    torch.testing.assert_close(loss(padded, valid), loss(p))


@pytest.mark.parametrize("loss", [max_square, image_wise_max_square])
def test_nothing_but_padding(loss):
    p = probabilities().requires_grad_()
    value = loss(p, torch.zeros(3, 5, 6, dtype=torch.bool))
    value.backward()
    assert value == 0
    assert not p.grad.any()
