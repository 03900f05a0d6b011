"""The calibrated start, against statistics of the plain network taken by hooks of the test."""

import copy
import os

import pytest
import torch
import torch.distributed as dist
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import calibrate, find_snr, insert_snr, untrained

STAGES = ("layer1", "layer2", "layer3")


class Own(nn.Module):
    """A stage with a forward of its own, which runs its SNR by a hook."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 8, 3, padding=1)

    def forward(self, x):
        return self.conv(x).relu()


def plain_network():
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("layer1", nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()))
    norm = nn.BatchNorm2d(16)
    nn.init.normal_(norm.running_mean)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    network.add_module("layer2", nn.Sequential(nn.Conv2d(8, 16, 3, stride=2), norm, nn.ReLU()))
    network.add_module("layer3", Own())
    return network


def with_snr(network, **options):
    """A copy of ``network`` with an SNR, none of them near the identity, after every stage."""
    network = insert_snr(copy.deepcopy(network), STAGES, reduction=4, **options)
    torch.manual_seed(1)
    for snr in find_snr(network).values():
        nn.init.normal_(snr.norm.weight, 2)
        nn.init.normal_(snr.norm.bias)
    return network


def random_batches(sizes=(2, 3)):
    """Batches of unequal size, every image with a style of its own."""
    torch.manual_seed(2)
    return [
        torch.randn(n, 3, 16, 12) * (0.5 + torch.rand(n, 3, 1, 1)) + torch.randn(n, 3, 1, 1)
        for n in sizes
    ]


def statistics_of(network, batches):
    """Stage to (mean over images of the deviations, mean over images of the means)."""
    seen = {name: [] for name in STAGES}
    network = copy.deepcopy(network).eval()
    for name in STAGES:
        network.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: seen[name].append(out.flatten(2))
        )
    with torch.no_grad():
        for batch in batches:
            network(batch)
    features = {name: torch.cat(maps) for name, maps in seen.items()}
    return {
        name: (maps.std(dim=2, unbiased=False).mean(0), maps.mean(2).mean(0))
        for name, maps in features.items()
    }


@pytest.mark.parametrize("gate", ["residual", "bounded", "static", "closed"])
def test_gamma_and_beta_are_the_plain_networks_average_style(gate):
    plain, batches = plain_network(), random_batches()
    network = with_snr(plain, gate=gate)
    assert calibrate(network, batches, network) == 5
    expected = statistics_of(plain, batches)
    for name in STAGES:
        norm = network.get_submodule(name).snr.norm
        torch.testing.assert_close(norm.weight.data, expected[name][0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(norm.bias.data, expected[name][1], atol=1e-5, rtol=1e-5)


def test_leaves_everything_else_as_it_was():
    network = with_snr(plain_network()).train()
    network.layer2.eval()
    before = copy.deepcopy(network.state_dict())
    flags = {name: module.training for name, module in network.named_modules()}
    hooks = {name: dict(module._forward_hooks) for name, module in network.named_modules()}
    batches = random_batches()
    calibrate(network, batches, network)
    changed = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {f"{s}.snr.norm.{p}" for s in STAGES for p in ("weight", "bias")}
    assert {name: module.training for name, module in network.named_modules()} == flags
    assert {n: dict(module._forward_hooks) for n, module in network.named_modules()} == hooks
    network(batches[0]).sum().backward()
    for snr in find_snr(network).values():
        assert snr.norm.weight.requires_grad and snr.norm.weight.grad.abs().sum() > 0


def test_second_call_changes_nothing():
    """A calibrated SNR is no identity: measured through it, the second call would differ."""
    network, batches = with_snr(plain_network()), random_batches()
    calibrate(network, batches, network)
    first = copy.deepcopy(network.state_dict())
    calibrate(network, batches, network)
    for key, value in network.state_dict().items():
        assert torch.equal(value, first[key]), key


def test_travels_in_the_state_dict(tmp_path):
    plain, (batch, _) = plain_network(), random_batches()
    network = with_snr(plain).eval()
    calibrate(network, [batch], network)
    torch.save(network.state_dict(), tmp_path / "network.pth")
    other = insert_snr(plain_network(), STAGES, reduction=4).eval()
    other.load_state_dict(torch.load(tmp_path / "network.pth"))
    assert torch.equal(other(batch), network(batch))


def test_average_style_passes_the_instance_norm_unchanged():
    """Source of one image: every sample has the average style, so F~ = F up to eps."""
    plain, image = plain_network().eval(), random_batches((1,))[0]
    network = with_snr(plain, gate="closed", eps=1e-10).eval()
    assert not torch.allclose(network(image), plain(image), atol=0.1)
    calibrate(network, [image.repeat(4, 1, 1, 1)], network)
    expected = plain(image)
    assert (network(image) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ["weight", "bias"])
def test_untrained_until_any_gamma_or_beta_has_moved(stage, name):
    network = insert_snr(plain_network(), STAGES, reduction=4)
    assert untrained(network) == list(find_snr(network))
    nn.init.normal_(network.layer2.snr.gate.fc1.weight)  # the gate does not count
    assert untrained(network) == list(find_snr(network))
    with torch.no_grad():
        network.get_parameter(f"{stage}.snr.norm.{name}")[-1] += 1e-6
    assert untrained(network) == [n for n in find_snr(network) if not n.startswith(stage)]


def test_calibrated_is_not_untrained():
    network = insert_snr(plain_network(), STAGES, reduction=4)
    calibrate(network, random_batches(), network)
    assert untrained(network) == []


def test_no_snr_or_no_image():
    with pytest.raises(InputError, match="has no SNR or instance norm; insert one first"):
        calibrate(plain_network(), random_batches(), nn.Identity())
    network = with_snr(plain_network())
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(InputError, match=r"no batch reached layer1\.snr; give at least one image"):
        calibrate(network, [], network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_images_without_a_style_are_refused():
    network = with_snr(plain_network())
    images = torch.rand(2, 3, 16, 16)
    images[1, 0, 0, 0] = torch.nan
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(InputError, match=r"calibrate: the images give layer1.snr NaN or infinity"):
        calibrate(network, [images], network)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_failing_batch_leaves_the_network_in_order():
    network = with_snr(plain_network()).train()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(RuntimeError, match="channels"):
        calibrate(network, [random_batches()[0], torch.zeros(1, 5, 16, 12)], network)
    assert all(module.training for module in network.modules())
    assert not any(snr._forward_hooks for snr in find_snr(network).values())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def process(rank, store, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    network = with_snr(plain_network())
    images = calibrate(network, [random_batches((1, 3))[rank]], network)
    torch.save((images, network.state_dict()), f"{out}{rank}")
    # Without teardown: torch 2.3 joins Gloo's threads while it holds the GIL, which they may need.
    os._exit(0)


@pytest.mark.fault(
    "processes",
    "The calibrated start in two processes: of the method by itself, with one and three images, "
    "and of a detector on its first batch",
    "gamma and beta are those of one process with all images",
)
def test_means_are_over_the_images_of_all_processes(tmp_path):
    """One process has one image and the other three: no mean of means."""
    torch.multiprocessing.spawn(process, (tmp_path / "store", tmp_path / "rank"), nprocs=2)
    results = [torch.load(tmp_path / f"rank{rank}") for rank in (0, 1)]
    expected = statistics_of(plain_network(), random_batches((1, 3)))
    for images, state in results:
        assert images == 4
        for name in STAGES:
            for key, value in zip(("weight", "bias"), expected[name], strict=True):
                got = state[f"{name}.snr.norm.{key}"]
                torch.testing.assert_close(got, value, atol=1e-5, rtol=1e-5)


def test_a_step_in_the_same_autocast_block_gets_its_gradients():
    """Autocast caches halved weights, and those made without a graph would be taken again."""
    net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU())), after=["0"])
    x = torch.rand(2, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        calibrate(net, [x], net)
        loss = net(x).float().square().mean()
    loss.backward()
    assert net[0][0].weight.grad is not None and net[0][0].weight.grad.abs().sum() > 0
