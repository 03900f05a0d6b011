"""StageLosses: one probe a stage, weights applied once, and nothing left on the modules."""

import copy
import io
import warnings

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import RestitutionLoss, StageLosses, find_snr, insert_snr
from tests.nn.watch import observation_of, tensors_alive

LABELS = torch.tensor([1, 0])


def backbone():
    torch.manual_seed(0)
    net = nn.Sequential()
    for name, channels in (("a", 3), ("b", 8)):
        net.add_module(name, nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU()))
    return insert_snr(net, ["a", "b"], reduction=2)


def pooled(name, loss, seen):
    return loss.pooled(seen, LABELS)


def test_is_the_weighted_sum_over_the_stages():
    net = backbone()
    losses = StageLosses(find_snr(net), 2, loss_weight=0.3, probe_weight=0.7)
    x = torch.randn(2, 3, 6, 6)
    with losses.observing(pooled) as terms:
        net(x)
    weighted = losses.weighted(terms)
    a = net.a[1](net.a[0](x))
    after_a = net.a(x)
    b = net.b[1](net.b[0](after_a))
    by_hand = [
        losses[key].pooled(observation_of(stage.snr, inputs), LABELS)
        for key, stage, inputs in (("a", net.a, a), ("b", net.b, b))
    ]
    restitution = sum(t.restitution for t in by_hand)
    torch.testing.assert_close(weighted["loss_snr_restitution"], 0.3 * restitution)
    torch.testing.assert_close(weighted["loss_snr_probe"], 0.7 * sum(t.probe for t in by_hand))
    assert set(losses.diagnostics(terms)) == {
        f"{stage}/entropy_{feature}"
        for stage in "ab"
        for feature in ("enhanced", "normalised", "contaminated")
    }


def test_a_loss_without_a_backward_leaves_nothing_behind():
    net = backbone()
    losses = StageLosses(find_snr(net), 2)
    before = tensors_alive()
    for _ in range(2):
        with losses.observing(pooled) as terms:
            net(torch.randn(2, 3, 6, 6))
        losses.weighted(terms)
        del terms
    assert tensors_alive() <= before


def test_a_weight_changed_before_the_backward_is_told():
    net = backbone()
    losses = StageLosses(find_snr(net), 2)
    with losses.observing(pooled) as terms:
        net(torch.randn(2, 3, 6, 6))
    with torch.no_grad():
        losses["a"].probe.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        losses.weighted(terms)["loss_snr_restitution"].backward()


def test_a_block_inside_a_block_hands_back_its_snrs():
    net = backbone()
    outer, inner = StageLosses(find_snr(net), 2), StageLosses(find_snr(net), 2)
    with outer.observing(pooled) as terms:
        with inner.observing(pooled) as others:
            net(torch.randn(2, 3, 6, 6))
        assert not terms and set(others) == {"a", "b"}
        net(torch.randn(2, 3, 6, 6))
    assert set(terms) == {"a", "b"}


def test_losses_of_another_network_are_warned_of():
    net = backbone()
    losses = StageLosses(find_snr(net), 2)
    other = copy.deepcopy(net)
    with pytest.warns(UserWarning, match="no SNR ran .* teaches nothing"), losses.observing(pooled):
        other(torch.randn(2, 3, 6, 6))


def test_holds_the_probes_alone():
    net = backbone()
    losses = StageLosses(find_snr(net), 2)
    assert set(losses.state_dict()) == {f"{s}.probe.{p}" for s in "ab" for p in ("weight", "bias")}
    assert all(isinstance(loss, RestitutionLoss) for loss in losses.values())


def test_weights_of_zero_observe_nothing():
    net = backbone()
    losses = StageLosses(find_snr(net), 2, 0.0, 0.0)
    assert len(losses) == 0
    with losses.observing(lambda *_: pytest.fail("observed")) as terms:
        net(torch.randn(2, 3, 6, 6))
    assert losses.weighted(terms) == {}


def test_one_class_alone_is_warned_of():
    net = backbone()
    with pytest.warns(UserWarning, match="one class alone: .* teaches nothing"):
        losses = StageLosses(find_snr(net), 1)
    with losses.observing(lambda _, loss, seen: loss.pooled(seen, LABELS.clamp(max=0))) as terms:
        net(torch.randn(2, 3, 6, 6))
    losses.weighted(terms)["loss_snr_restitution"].backward()
    for snr in find_snr(net).values():  # what the sentence says
        assert all(p.grad is None or not p.grad.any() for p in snr.parameters())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StageLosses(find_snr(net), 1, 0.0, 0.0)


def test_a_second_run_of_a_layer_is_refused():
    net = backbone()
    losses = StageLosses(find_snr(net), 2)

    def run_twice():
        with losses.observing(pooled):
            net(torch.randn(2, 3, 6, 6))
            net(torch.randn(2, 3, 6, 6))

    with pytest.raises(InputError, match=r"a\.snr runs twice"):
        run_twice()
    net(torch.randn(2, 3, 6, 6))  # and nothing is left behind


def test_pickles_and_copies_with_its_network():
    net = backbone()
    net.losses = StageLosses(find_snr(net), 2)
    with net.losses.observing(pooled) as terms:
        net.b(net.a(torch.randn(2, 3, 6, 6)))
    del terms
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    for other in (copy.deepcopy(net), torch.load(file, weights_only=False)):
        with other.losses.observing(pooled) as terms:  # of its own SNRs, not the original's
            other.b(other.a(torch.randn(2, 3, 6, 6)))
        assert list(terms) == ["a", "b"]
