"""Every kind of gate against its formula, alone and inside SNR."""

import pytest
import torch
import torch.nn.functional as F

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR
from snr_plugins.nn.gate import build_gate
from tests.nn.watch import observation_of

CHANNELS = 16
KINDS = ["residual", "bounded", "static", "closed"]


def random_snr(kind, dtype=torch.float64):
    torch.manual_seed(0)
    snr = SNR(CHANNELS, reduction=4, gate=kind).to(dtype)
    with torch.no_grad():  # not the neutral start: every parameter must matter
        for parameter in snr.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
        snr.norm.weight[0] *= -1  # gamma may turn negative; what bounds the gate is its magnitude
    return snr


def random_features(*shape):
    torch.manual_seed(1)
    return 2 * torch.randn(*shape, dtype=torch.float64) + 3 * torch.randn(shape[1], 1, 1)


def attention(gate, pooled):
    """sigmoid(W2 relu(W1 p + b1) + b2), one sum per channel."""
    hidden = (pooled @ gate.fc1.weight.T + gate.fc1.bias).clamp(min=0)
    return 1 / (1 + torch.exp(-(hidden @ gate.fc2.weight.T + gate.fc2.bias)))


def expected_gate(kind, snr, pooled):
    """The gate (N, C) for pool(R), by the formula of its kind."""
    if kind == "residual":
        return attention(snr.gate, pooled)
    if kind == "bounded":
        return attention(snr.gate, torch.tanh(pooled / snr.norm.weight.abs().clamp(min=0.01)))
    if kind == "static":
        return (1 / (1 + torch.exp(-snr.gate.logit))).repeat(len(pooled), 1)
    return torch.zeros_like(pooled)


@pytest.mark.parametrize("kind", KINDS)
def test_gate_and_features_equal_the_formula(kind):
    snr = random_snr(kind).train()
    x = random_features(3, CHANNELS, 6, 7)
    normalised = F.instance_norm(x, weight=snr.norm.weight, bias=snr.norm.bias, eps=snr.eps)
    residual = x - normalised
    expected = expected_gate(kind, snr, residual.mean(dim=(2, 3)))
    gate = snr.gate(x.mean(dim=(2, 3)), snr.norm.weight, snr.norm.bias)
    torch.testing.assert_close(gate, expected)
    a = expected[..., None, None]
    torch.testing.assert_close(snr(x), normalised + a * residual)
    coefficients = observation_of(snr, x).coefficients
    centred = x - coefficients.mean[..., None, None]
    scale, centre = coefficients.contaminated
    contaminated = scale[..., None, None] * centred + centre[..., None, None]
    torch.testing.assert_close(contaminated, normalised + (1 - a) * residual)


def test_bounded_gate_saturates_where_the_mean_is_extreme():
    """However far an unseen style lies, the attention's input is -1 or 1."""
    snr = random_snr("bounded")
    sign = torch.sign(random_features(4, CHANNELS, 1, 1)[:, :, 0, 0])
    saturated = attention(snr.gate, sign)
    for distance in (1e3, 1e6):
        gate = snr.gate(distance * sign, snr.norm.weight, snr.norm.bias)
        torch.testing.assert_close(gate, saturated)
    with torch.no_grad():
        snr.norm.weight.zero_()  # a channel that calibration found constant
    gate = snr.gate(snr.norm.bias[None], snr.norm.weight, snr.norm.bias)
    torch.testing.assert_close(gate, attention(snr.gate, torch.zeros(1, CHANNELS).double()))


def test_static_gate_does_not_see_its_input():
    snr = random_snr("static")
    calm, wild = (s * random_features(2, CHANNELS, 1, 1)[:, :, 0, 0] for s in (0.1, 100))
    for mean in (calm, wild):
        gate = snr.gate(mean, snr.norm.weight, snr.norm.bias)
        assert torch.equal(gate, torch.sigmoid(snr.gate.logit).expand(2, -1))


def test_closed_gate_is_torchs_instance_norm():
    snr = random_snr("closed")
    x = random_features(2, CHANNELS, 5, 8)
    norm = torch.nn.InstanceNorm2d(CHANNELS, affine=True).double()
    norm.load_state_dict({"weight": snr.norm.weight, "bias": snr.norm.bias})
    torch.testing.assert_close(snr(x), norm(x))
    assert not list(snr.gate.parameters())


@pytest.mark.parametrize("kind", ["residual", "bounded", "static"])
def test_gradients_reach_every_parameter(kind):
    snr = random_snr(kind)
    x = random_features(2, CHANNELS, 4, 4).requires_grad_()
    (snr(x) * torch.randn_like(x)).sum().backward()
    assert {"residual": 4, "bounded": 4, "static": 1}[kind] == len(list(snr.gate.parameters()))
    for name, parameter in snr.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", ["residual", "bounded", "static"])
def test_initial_bias_opens_and_shuts(kind):
    x = random_features(2, CHANNELS, 5, 5)
    opened = SNR(CHANNELS, reduction=4, gate_bias=50.0, gate=kind).double()
    torch.testing.assert_close(opened(x), x)
    shut = SNR(CHANNELS, reduction=4, gate_bias=-50.0, gate=kind).double()
    torch.testing.assert_close(shut(x), F.instance_norm(x))


@pytest.mark.parametrize("kind", KINDS)
def test_scripted_gives_the_same(kind):
    snr = random_snr(kind).eval()
    x = random_features(2, CHANNELS, 6, 5)
    torch.testing.assert_close(torch.jit.script(snr)(x), snr(x))


@pytest.mark.parametrize("kind", KINDS)
def test_model_made_half(kind):
    snr = random_snr(kind).eval()
    x = random_features(1, CHANNELS, 8, 8)
    expected = snr(x)
    out = snr.bfloat16()(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), expected, atol=0.1, rtol=0.05)


@pytest.mark.parametrize(
    ("channels", "hidden"), [(8, 1), (15, 1), (16, 1), (31, 1), (32, 2), (256, 16)]
)
def test_hidden_width_is_the_papers_and_one_in_narrow_stages(channels, hidden):
    assert SNR(channels).gate.fc1.out_features == hidden


@pytest.mark.parametrize(
    ("kind", "reduction", "message"),
    [
        ("opened", 16, "no gate 'opened'; choose from: residual, bounded, static, closed$"),
        ("residual", -1, "reduction -1 must be 1 or more"),
        ("bounded", 0, "reduction 0 must be 1 or more; the paper's is 16$"),
    ],
)
def test_wrong_options(kind, reduction, message):
    with pytest.raises(InputError, match=message):
        SNR(8, reduction=reduction, gate=kind)
    with pytest.raises(InputError, match=message):
        build_gate(kind, 8, reduction, 0.0)
