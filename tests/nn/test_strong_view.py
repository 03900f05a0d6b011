"""The student's view: what is drawn, and that nothing moves."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from snr_plugins.nn.strong_view import StrongView, gaussian_blur


def photo(count=4):
    torch.manual_seed(0)
    coarse = torch.rand(count, 3, 8, 8) * 200 + 20
    return torch.nn.functional.interpolate(coarse, (48, 48), mode="bilinear")


def test_images_differ_and_stay_images():
    images = photo()
    view = StrongView()(images)
    assert view.shape == images.shape
    assert view.min() >= 0 and view.max() < 255.01  # a blur rounds
    shifts = (view - images).abs().mean(dim=(1, 2, 3))
    assert (shifts > 1).all()
    assert shifts.std() > 0.5


def test_with_nothing_to_draw_it_is_the_image():
    images = photo()
    torch.testing.assert_close(StrongView(0, 0, 0)(images), images)


def test_a_pixel_stays_where_it_is():
    images = torch.zeros(8, 3, 33, 33)
    images[..., 16, 16] = 255
    for view in StrongView(0.2, 0, 1.5)(images):
        assert view.sum(0).argmax() == 16 * 33 + 16


def test_channel_order():
    """Saturation is around the grey of the colours named: of BGR images the other way round."""
    images = photo()
    torch.manual_seed(7)
    rgb = StrongView(0.5, 0, 0)(images)
    torch.manual_seed(7)
    bgr = StrongView(0.5, 0, 0)(images.flip(1), bgr=True)
    torch.testing.assert_close(bgr.flip(1), rgb)


@pytest.mark.parametrize("deviation", [0.6, 1.5])
def test_blur_is_gaussian(deviation):
    """Of a point against the density itself, and of a picture against Pillow's approximation."""
    point = torch.zeros(1, 31, 31)
    point[0, 15, 15] = 1
    y, x = torch.meshgrid(*(torch.arange(31.0) - 15 for _ in "yx"), indexing="ij")
    density = torch.exp(-(x**2 + y**2) / (2 * deviation**2))
    torch.testing.assert_close(
        gaussian_blur(point, deviation)[0], density / density.sum(), atol=2e-3, rtol=0
    )
    grey = np.zeros((48, 48), np.uint8)
    grey[:, 24:] = 200
    expected = Image.fromarray(grey).filter(ImageFilter.GaussianBlur(deviation))
    ours = gaussian_blur(torch.tensor(grey)[None].float(), deviation)[0]
    assert (ours - torch.tensor(np.array(expected)).float()).abs().max() < 8


def test_blur_leaves_a_flat_image_flat():
    flat = torch.full((3, 9, 9), 77.0)
    torch.testing.assert_close(gaussian_blur(flat, 2.0), flat)
