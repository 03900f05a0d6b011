"""The digits in five styles: all of them, each once, where a dataset of domains finds them."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from make_digits import STYLES, write_digits
from PIL import Image
from sklearn.datasets import load_digits

from snr_plugins.data.domain_folders import find_classes, find_domains, list_domain
from snr_plugins.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits") / "out"
    write_digits(folder)
    return folder


def test_every_digit_is_in_one_style_under_its_class(root):
    truth = load_digits().target
    assert set(find_domains(root)) == set(STYLES)
    classes = find_classes(root)
    assert classes == tuple("0123456789")
    found = {}
    for style in STYLES:
        listed = list_domain(root, style, classes)
        assert 359 <= len(listed) <= 360
        for path, label in listed:
            assert int(path.stem) not in found
            found[int(path.stem)] = label
    assert [found[index] for index in range(len(truth))] == truth.tolist()


def test_styles_differ_as_their_names_say(root):
    def images(style):
        return [
            np.asarray(Image.open(path), dtype=float)
            for path, _ in list_domain(root, style, find_classes(root))
        ]

    def mean(style):
        return np.mean(images(style))

    assert mean("white_on_black") < 100 < 155 < mean("inverted")
    assert np.std(images("blurred")) < 40 < np.std(images("white_on_black"))
    assert all(np.ptp(image.mean((0, 1))) == 0 for image in images("inverted"))
    assert np.mean([np.ptp(image.mean((0, 1))) for image in images("coloured")]) > 10


def test_a_folder_that_holds_something_is_left_alone(root):
    with pytest.raises(InputError, match="is not empty: remove it, or give another --out"):
        write_digits(root)
