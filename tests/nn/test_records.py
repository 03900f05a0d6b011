"""What is recorded of a forward against the forward's own output and the textbook form."""

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, InstanceNorm, insert_layer, insert_snr, recorded_styles, textbook

CHANNELS = 8


def trained_snr(**options):
    torch.manual_seed(0)
    snr = SNR(CHANNELS, reduction=2, **options)
    with torch.no_grad():  # not the neutral start: every parameter must matter
        for parameter in snr.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    for _ in range(20):
        snr(images(8))
    return snr.eval()


def images(count):
    return 2 + torch.randn(count, CHANNELS, 1, 1) + torch.randn(count, CHANNELS, 6, 5)


@pytest.mark.parametrize("inplace", [False, True])
@torch.no_grad()
def test_records_are_of_what_came_in_and_what_went_out(inplace):
    snr = trained_snr(trust=False, inplace=inplace)
    x = images(3)
    normalised, enhanced, contaminated = textbook.features(snr, x)
    with recorded_styles(snr) as records:
        out = snr(x.clone())
    (seen,) = records[""]
    torch.testing.assert_close(seen.features, x)
    torch.testing.assert_close(seen.output(), out, atol=1e-5, rtol=1e-5)
    restored, removed = seen.residuals()
    torch.testing.assert_close(restored, enhanced - normalised, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(removed, contaminated - normalised, atol=1e-5, rtol=1e-4)
    gate = restored.flatten(2).norm(dim=2) / (x - normalised).flatten(2).norm(dim=2)
    torch.testing.assert_close(seen.gate, gate, atol=1e-4, rtol=1e-4)
    before, after = seen.deviations()
    torch.testing.assert_close(before, x.std((2, 3), correction=0))
    torch.testing.assert_close(after, out.std((2, 3), correction=0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(seen.restyled.centre, out.mean((2, 3)), atol=1e-5, rtol=1e-4)
    assert seen.distance is None


@torch.no_grad()
def test_the_gate_is_that_of_the_forward_with_trust():
    snr = trained_snr()
    x = torch.cat([images(1), 40 + images(1)])
    with recorded_styles(snr) as records:
        out = snr(x)
    snr(x)  # outside: nothing more
    (seen,) = records[""]
    torch.testing.assert_close(seen.output(), out, atol=1e-4, rtol=1e-5)
    assert seen.distance[0] < 1.5 < 10 < seen.distance[1]
    assert seen.gate[0].mean() > 0.1 and seen.gate[1].max() < 1e-3


def test_any_style_layer_is_recorded_and_has_no_residuals():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, CHANNELS, 3)))
    insert_layer(net, ["0"], "instance_norm")
    net.eval()
    with torch.no_grad(), recorded_styles(net) as records:
        out = net(torch.rand(2, 3, 9, 9))
    ((name, (seen,)),) = records.items()
    assert isinstance(net.get_submodule(name), InstanceNorm)
    torch.testing.assert_close(seen.output(), out, atol=1e-5, rtol=1e-5)
    assert seen.gate is None
    with pytest.raises(InputError, match="of SNR alone"):
        seen.residuals()


def test_a_network_in_training_or_without_a_layer_is_refused():
    net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"])
    with pytest.raises(InputError, match=r"0\.snr is in training"), recorded_styles(net):
        net(torch.rand(2, 3, 9, 9))
    assert not net[0].snr._forward_pre_hooks
    with pytest.raises(InputError, match="no style layer"), recorded_styles(nn.ReLU()):
        pass


def test_a_gate_over_positions_has_no_record():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, CHANNELS, 3)))
    insert_layer(net, ["0"], "snr_spatial_channel")
    with pytest.raises(InputError, match="is a SpatialSNR, whose gate"), recorded_styles(net):
        pass
