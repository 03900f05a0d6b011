"""The distances of an exported network against those of the network itself."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import WithStyleDistance, insert_snr, style_distances
from snr_plugins.nn.affine import statistics


def trained():
    torch.manual_seed(0)
    stages = [nn.Conv2d(3, 16, 3), nn.ReLU()], [nn.Conv2d(16, 24, 3, stride=2), nn.ReLU()]
    net = insert_snr(nn.Sequential(*(nn.Sequential(*s) for s in stages)), after=["0", "1"])
    for _ in range(20):
        net(torch.rand(8, 3, 16, 16))
    return net.eval()


def expected_of(net, x):
    with torch.no_grad(), style_distances(net) as distances:
        out = net(x)
    return out, torch.stack([distances["0.snr"][0], distances["1.snr"][0]], 1)


def other_images():
    torch.manual_seed(1)  # other sizes and more of them than what was traced
    return torch.cat([torch.rand(2, 3, 20, 24), 3 + torch.rand(1, 3, 20, 24)])


def test_eager():
    net, x = trained(), other_images()
    module = WithStyleDistance(net)
    assert module.names == ["0.snr", "1.snr"]
    torch.testing.assert_close(module(x), expected_of(net, x))
    assert module(x)[1][2, 0] > 10  # far too bright
    assert not any(m._forward_hooks for m in net.modules() if type(m).__name__ == "Trust")


def test_a_traced_file_gives_them_without_this_package(tmp_path):
    net, x = trained(), other_images()
    traced = torch.jit.trace(WithStyleDistance(net), torch.rand(1, 3, 16, 16))
    traced.save(tmp_path / "net.pt")
    torch.save(x, tmp_path / "x.pt")
    code = (
        "import sys, torch; net = torch.jit.load('net.pt'); torch.save(net(torch.load('x.pt')), "
        "'out.pt'); assert not any(name.startswith('snr_plugins') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    torch.testing.assert_close(
        torch.load(tmp_path / "out.pt"), expected_of(net, x), atol=1e-4, rtol=1e-4
    )


def test_an_exported_program():
    net, x = trained(), other_images()
    program = torch.export.export(WithStyleDistance(net), (x,), strict=False)
    torch.testing.assert_close(program.module()(x), expected_of(net, x), atol=1e-4, rtol=1e-4)


def test_a_scripted_network_has_them_in_its_children():
    """What the docs show: the statistics of what reaches the SNR, and its trust's two methods."""
    net, x = trained(), other_images()
    scripted = torch.jit.script(net)
    stage = getattr(scripted, "0")
    features = x
    for name, child in stage.named_children():
        if name != "snr":
            features = child(features)
    trust = stage.snr.trust
    distance = trust.distance(*statistics(features)) / trust.threshold()
    torch.testing.assert_close(distance, expected_of(net, x)[1][:, 0], atol=1e-4, rtol=1e-4)


def test_a_network_run_twice_has_the_mean_of_its_passes():
    net = trained()

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x), self.net(2 * x)

    x = other_images()
    mean = (expected_of(net, x)[1] + expected_of(net, 2 * x)[1]) / 2
    torch.testing.assert_close(WithStyleDistance(Twice())(x)[1], mean)


def test_without_trust_there_is_none():
    net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"], trust=False)
    with pytest.raises(InputError, match="no SNR with trust"):
        WithStyleDistance(net)
