"""Trust against statistics of all styles at once."""

import math
import threading

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, Trust, insert_snr, style_distances, textbook
from snr_plugins.nn.affine import statistics
from tests.nn.watch import observation_of

CHANNELS = 6


def images(count, shift=0.0, contrast=1.0):
    """Maps whose channels have styles of their own, (N, C, 7, 7) in float64."""
    mean = 2 + shift + 0.5 * torch.randn(count, CHANNELS, 1, 1, dtype=torch.float64)
    deviation = contrast * torch.exp(0.3 * torch.randn(count, CHANNELS, 1, 1, dtype=torch.float64))
    return mean + deviation * torch.randn(count, CHANNELS, 7, 7, dtype=torch.float64)


def styles(x):
    return torch.cat([x.mean((2, 3)), (x.var((2, 3), unbiased=False) + 1e-6).sqrt().log()], 1)


def learned(*batches):
    trust = Trust(CHANNELS).double()
    for batch in batches:
        trust(*statistics(batch))
    return trust.eval()


@pytest.mark.parametrize("sizes", [[12] * 8, [1] * 96, [5, 40, 1, 50]], ids=str)
def test_its_statistics_are_those_of_all_images_however_they_are_batched(sizes):
    torch.manual_seed(0)
    x = images(96)
    trust = learned(*x.split(sizes))
    all_styles = styles(x)
    torch.testing.assert_close(trust.style_mean, all_styles.mean(0))
    torch.testing.assert_close(trust.style_var, all_styles.var(0, unbiased=False))
    assert trust.seen[0] == 96


def test_old_images_are_forgotten():
    torch.manual_seed(0)
    old, new = [images(50, shift=9.0)] * 20, [images(50) for _ in range(200)]
    trust = learned(*old, *new)
    expected = styles(torch.cat(new)).mean(0)
    torch.testing.assert_close(trust.style_mean, expected, atol=0.1, rtol=0)


def test_distances_count_from_the_64th_image_on_and_by_what_was_known_before_them():
    torch.manual_seed(0)
    first, second, third = images(64), images(30), images(20)
    trust = learned(first, second, third)

    def log_distance(x, known):
        known = styles(known)
        z = (styles(x) - known.mean(0)) ** 2 / known.var(0, unbiased=False)
        return z.mean(1).log()

    d = torch.cat([log_distance(second, first), log_distance(third, torch.cat([first, second]))])
    torch.testing.assert_close(trust.log_distance[0], d.mean())
    torch.testing.assert_close(trust.log_distance[1], d.var(unbiased=False))
    assert trust.seen.tolist() == [114, 50]
    t = math.exp(d.mean() + 2 * d.var(unbiased=False) ** 0.5)
    assert trust.threshold().item() == pytest.approx(t)


def test_the_source_is_trusted_and_another_weather_is_not():
    torch.manual_seed(0)
    trust = learned(*(images(8) for _ in range(60)))
    assert (trust(*statistics(images(200))) > 0.5).double().mean() > 0.95
    assert trust(*statistics(images(50, shift=1.5))).median() < 0.05  # as if brighter
    assert trust(*statistics(images(50, contrast=0.3))).median() < 0.05  # as fog


def test_all_is_trusted_in_training_and_before_it():
    torch.manual_seed(0)
    x = images(4)
    for trust in (Trust(CHANNELS).double(), Trust(CHANNELS).double().eval()):
        assert (trust(*statistics(100 * x)) == 1).all()


def test_learns_in_training_alone_and_from_no_image_nothing():
    trust = Trust(CHANNELS).double()
    trust(*statistics(images(0)))
    trust.eval()(*statistics(images(9)))
    assert trust.seen.tolist() == [0, 0] and (trust.style_mean == 0).all()


def test_without_trust_an_unseen_style_comes_back_and_with_it_instance_norm_is_left():
    torch.manual_seed(0)
    snr = SNR(CHANNELS, reduction=2).double()
    for _ in range(60):
        snr(images(8))
    snr.eval()
    unseen = images(3, shift=30.0)
    normalised, enhanced, _ = textbook.features(snr, unseen)
    torch.testing.assert_close(snr(unseen), normalised, atol=1e-6, rtol=1e-6)
    snr.trust = None
    torch.testing.assert_close(snr(unseen), enhanced)


def test_a_checkpoint_without_it_is_trusted_as_before():
    torch.manual_seed(0)
    old = SNR(CHANNELS, reduction=2, trust=False).double().eval()
    new = SNR(CHANNELS, reduction=2).double().eval()
    missing, unexpected = new.load_state_dict(old.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("trust.") for name in missing)
    x = images(2, shift=50.0)
    assert torch.equal(new(x), old(x))


def test_a_dead_channel_and_one_image_leave_it_finite():
    x = images(1)
    x[:, 0] = 0
    trust = learned(*[x] * 70)
    assert torch.isfinite(trust(*statistics(x))).all() and trust.threshold() < float("inf")
    assert trust(*statistics(images(1, shift=5.0))) < 0.5


@pytest.mark.parametrize("value", [math.nan, math.inf, 3e20])
@pytest.mark.parametrize("known", [0, 80])
def test_a_batch_that_overflows_teaches_nothing(value, known):
    """As of a step that AMP skips: everything else forgets it, so must trust."""
    torch.manual_seed(0)
    before = [images(known).float()] if known else []
    spoilt, after = images(12).float(), [images(12).float() for _ in range(9)]
    spoilt[3, 2] = value
    trust = Trust(CHANNELS)
    for batch in (*before, spoilt, *after):
        trust(*statistics(batch))
    without = Trust(CHANNELS)
    for batch in (*before, *after):
        without(*statistics(batch))
    for name, buffer in without.named_buffers():
        torch.testing.assert_close(dict(trust.named_buffers())[name], buffer, rtol=0, atol=0)


def test_distances_of_another_thread_are_its_own():
    torch.manual_seed(0)
    net = insert_snr(nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3))), after=["0"])
    for _ in range(9):
        net(torch.rand(16, 3, 9, 9))
    net.eval()
    both_are_in, noted = threading.Barrier(2), {}

    def look(images):
        with torch.no_grad(), style_distances(net) as distances:
            both_are_in.wait(60)
            net(torch.rand(images, 3, 9, 9))
            both_are_in.wait(60)
        noted[images] = [len(one) for one in distances["0.snr"]]

    threads = [threading.Thread(target=look, args=(images,)) for images in (1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert noted == {1: [1], 3: [3]}


def test_distances_are_noted_inside_the_block_alone():
    torch.manual_seed(0)
    stage = torch.nn.Sequential(torch.nn.Conv2d(3, CHANNELS, 1))
    net = insert_snr(torch.nn.Sequential(stage), after=["0"], reduction=2)
    for _ in range(20):
        net(torch.rand(8, 3, 9, 9))
    net.eval()
    x = torch.rand(2, 3, 9, 9)
    with style_distances(net) as distances:
        net(x)
        net(x[:1])
    net(x)
    trust = net[0].snr.trust
    expected = trust.distance(*statistics(stage[0](x))) / trust.threshold()
    (name,) = distances
    assert name == "0.snr" and [len(d) for d in distances[name]] == [2, 1]
    torch.testing.assert_close(distances[name][0], expected.detach())


def test_rehearsed_every_second_image_of_a_training_batch_is_instance_normalised():
    torch.manual_seed(0)
    snr = SNR(CHANNELS, reduction=2, rehearse=True).double()
    x = images(5)
    normalised, enhanced, contaminated = textbook.features(snr, x)
    torch.testing.assert_close(snr(x)[::2], enhanced[::2])
    torch.testing.assert_close(snr(x)[1::2], normalised[1::2])
    # the loss compares what the paper compares, of every image
    seen = observation_of(snr, x).coefficients
    centred = x - seen.mean[..., None, None]
    for affine, expected in zip(seen[1:], (normalised, enhanced, contaminated), strict=True):
        got = affine.scale[..., None, None] * centred + affine.centre[..., None, None]
        torch.testing.assert_close(got, expected)
    # three passes over three open images each
    assert snr.trust.seen[0] == 9
    torch.testing.assert_close(snr.trust.style_mean, styles(x[::2]).mean(0))
    torch.testing.assert_close(snr.eval()(x), textbook.enhanced(snr, x))


def test_nothing_is_rehearsed_that_trust_will_not_do():
    with pytest.raises(InputError, match="leave trust on too"):
        SNR(CHANNELS, reduction=2, trust=False, rehearse=True)
