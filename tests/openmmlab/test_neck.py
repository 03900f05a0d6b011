"""SNR on a tuple of features, and as MMSegmentation's plug-in layer."""

import pytest
import torch

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, find_snr, textbook
from tests.segmentation.networks import RESNET, WIDTHS, build, images


def features():
    torch.manual_seed(0)
    return tuple(torch.randn(2, width, 8, 6) + 1 for width in WIDTHS)


def test_chosen_features_alone_pass_through_an_snr():
    neck = build({"type": "SNRNeck", "in_channels": WIDTHS, "in_indices": [1, 3]}).eval()
    outputs = neck(features())
    assert isinstance(outputs, tuple)
    for index, (out, x) in enumerate(zip(outputs, features(), strict=True)):
        if index in (1, 3):
            _, expected, _ = textbook.features(neck.snr[str(index)], x)
            torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
        else:
            assert torch.equal(out, x)


def test_all_features_by_default_with_options():
    neck = build({"type": "SNRNeck", "in_channels": WIDTHS, "snr": {"gate_bias": 50.0}})
    assert list(find_snr(neck)) == ["snr.0", "snr.1", "snr.2", "snr.3"]
    for out, x in zip(neck(features()), features(), strict=True):
        torch.testing.assert_close(out, x)


@pytest.mark.parametrize("index", [4, -1])
def test_no_such_feature(index):
    config = {"type": "SNRNeck", "in_channels": WIDTHS, "in_indices": [0, index]}
    with pytest.raises(InputError, match=rf"in_indices=\[0, {index}\]: .*{index};.* from 0 to 3"):
        build(config)


@pytest.mark.parametrize("channels", [[16, 32, 64], [16, 32, 64, 64]])
def test_other_channels_than_the_backbones(channels):
    neck = build({"type": "SNRNeck", "in_channels": channels})
    message = r"in_channels=\[.*\]: the backbone puts out \[16, 32, 64, 128\] channels; set"
    with pytest.raises(InputError, match=message):
        neck(features())


def test_is_built_as_a_layer_by_name():
    layer = build({"type": "SNR", "in_channels": 16, "gate": "bounded"})
    assert isinstance(layer, SNR) and layer.norm.num_features == 16


def test_as_plugin_inside_the_blocks_of_a_resnet():
    """Through mmcv's `build_plugin_layer`, which gives the layer its channels."""
    stages = (True, False, False, False)
    plugin = {"cfg": {"type": "SNR"}, "position": "after_conv3", "stages": stages}
    backbone = build({**RESNET, "depth": 50, "plugins": [plugin]})
    found = find_snr(backbone)
    assert list(found) == ["layer1.0.snr", "layer1.1.snr", "layer1.2.snr"]
    assert {snr.norm.num_features for snr in found.values()} == {64}
    seen = []
    snr = found["layer1.0.snr"]
    # a copy: the block adds its shortcut in place
    snr.register_forward_hook(lambda _m, args, out: seen.extend([args[0], out.clone()]))
    backbone(images())
    _, expected, _ = textbook.features(snr, seen[0])
    torch.testing.assert_close(seen[1], expected, atol=1e-5, rtol=1e-5)
