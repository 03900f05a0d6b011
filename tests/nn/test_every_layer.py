"""What every style layer of the registry, with every gate, must pass; a new one gets it for free.

A new layer needs an entry in ORACLES: its paper's formula on whole maps, in float64. Where it draws
at random, the oracle draws for itself, in its formula's order, from the same seed.
"""

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F

from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, create_layer, insert_layer, layer_options, textbook
from snr_plugins.nn.gate import GATES
from tests.nn.watch import saved_maps

CHANNELS = 8


def instance_norm(layer, x):
    return F.instance_norm(x, weight=layer.norm.weight, bias=layer.norm.bias, eps=layer.eps)


def snr(layer, x):
    """The paper's with its gate on the pooled residual; other gates have other inputs."""
    if layer.gate_kind == "residual" and (layer.training or layer.trust is None):
        return textbook.enhanced(layer, x)
    normalised = instance_norm(layer, x)
    pooled = (x - normalised).mean((2, 3))
    gate = {
        "residual": lambda: _attention(layer.gate, pooled),
        "bounded": lambda: _attention(
            layer.gate, torch.tanh(pooled / layer.norm.weight.abs().clamp(min=1e-2))
        ),
        "static": lambda: torch.sigmoid(layer.gate.logit).expand_as(pooled),
        "closed": lambda: torch.zeros_like(pooled),
    }[layer.gate_kind]()
    if layer.trust is not None and not layer.training:
        gate = gate * _trust(layer.trust, x)
    return normalised + gate[..., None, None] * (x - normalised)


def _trust(trust, x):
    """1 / (1 + (d / t)^6) from the running statistics, on whole maps."""
    deviation = (x.var((2, 3), unbiased=False) + 1e-6).sqrt()
    style = torch.cat([x.mean((2, 3)), deviation.log()], 1)
    d = ((style - trust.style_mean) ** 2 / trust.style_var).mean(1, keepdim=True)
    mean, var = trust.log_distance
    return 1 / (1 + (d / (mean + 2 * var**0.5).exp()) ** 6)


def _attention(gate, pooled):
    hidden = torch.relu(F.linear(pooled, gate.fc1.weight, gate.fc1.bias))
    return torch.sigmoid(F.linear(hidden, gate.fc2.weight, gate.fc2.bias))


def snr_spatial_channel(layer, x):
    """F~ + a R, a the product of the paper's gate and CBAM's spatial one, both of R."""
    normalised = instance_norm(layer, x)
    residual = x - normalised
    channels = _attention(layer.gate, residual.mean((2, 3)))[..., None, None]
    pooled = torch.cat([residual.mean(1, keepdim=True), residual.max(1, keepdim=True)[0]], 1)
    conv = layer.spatial
    positions = torch.sigmoid(F.conv2d(pooled, conv.weight, conv.bias, padding=3))
    return normalised + channels * positions * residual


def ibn_a(layer, x):
    """Half of the channels as torch's own instance norm has them, the others untouched."""
    half = CHANNELS // 2
    first = F.instance_norm(x[:, :half], weight=layer.norm.weight, bias=layer.norm.bias, eps=1e-5)
    return torch.cat([first, x[:, half:]], dim=1)


def mixstyle(layer, x):
    """Zhou et al., eqs. 1 to 6; mu and sigma count as constants."""
    if len(x) < 2:
        return x
    torch.rand(1)  # the coin
    share = torch.distributions.Beta(layer.alpha, layer.alpha).sample((len(x), 1, 1, 1))
    share, order = share.to(x), torch.randperm(len(x))
    mu = x.mean((2, 3), keepdim=True).detach()
    sigma = torch.sqrt(x.var((2, 3), correction=0, keepdim=True) + 1e-6).detach()
    mixed_mu = share * mu + (1 - share) * mu[order]
    mixed_sigma = share * sigma + (1 - share) * sigma[order]
    return mixed_sigma * (x - mu) / sigma + mixed_mu


def dsu(layer, x):
    """Li et al., eqs. 1 to 7, with the draws of their released code: the mean's before sigma's."""
    if len(x) < 2:
        return x
    torch.rand(1)
    mu = x.mean((2, 3), keepdim=True)
    sigma = torch.sqrt(x.var((2, 3), correction=0, keepdim=True) + 1e-6)
    noise = [torch.randn(x.shape[:2])[..., None, None].to(x) for _ in (mu, sigma)]
    beta, gamma = (
        statistic + n * torch.sqrt(statistic.var(0, correction=0, keepdim=True) + 1e-6)
        for statistic, n in zip((mu, sigma), noise, strict=True)
    )
    return gamma * (x - mu) / sigma + beta


def normalisation_perturbation(layer, x):
    """Fan et al.: x = alpha x - alpha mu + beta mu."""
    torch.rand(1)
    mu = x.mean((2, 3), keepdim=True)
    alpha, beta = (1 + 0.75 * torch.randn(x.shape[:2])[..., None, None].to(x) for _ in "ab")
    return alpha * x - alpha * mu + beta * mu


ORACLES = {
    "snr": snr,
    "snr_spatial_channel": snr_spatial_channel,
    "instance_norm": instance_norm,
    "ibn_a": ibn_a,
    "ibn_b": instance_norm,  # where it is: tests/nn/test_residual_blocks.py
    "mixstyle": mixstyle,
    "dsu": dsu,
    "normalisation_perturbation": normalisation_perturbation,
}
RANDOM = ("mixstyle", "dsu", "normalisation_perturbation")  # and in training alone
CASES = (
    [(kind, {}) for kind in ("instance_norm", "ibn_a", "ibn_b")]
    + [("snr", {"gate": gate, "trust": False, "reduction": 2}) for gate in GATES]
    + [("snr", {"gate": "residual", "trust": True, "reduction": 2})]
    + [("snr_spatial_channel", {"reduction": 2})]
    + [(kind, {"probability": 1.0}) for kind in RANDOM]
)
SHAPES = [(2, CHANNELS, 5, 7), (1, CHANNELS, 1, 9), (3, CHANNELS, 16, 2), (1, CHANNELS, 33, 31)]
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].values())]))
def layer(request, device):
    """A layer none of whose parameters is at its neutral start."""
    kind, options = request.param
    torch.manual_seed(0)
    built = create_layer(kind, CHANNELS, **options)
    built.kind, built.options, built.gate_kind = kind, options, options.get("gate")
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    if options.get("trust"):  # has seen a source whose styles lie as near as those of features()
        for _ in range(40):
            style = torch.randn(2, 8, CHANNELS, 1, 1)
            built(style[0] + 2 * torch.exp(0.3 * style[1]) * torch.randn(8, CHANNELS, 9, 9))
    return built.to(device)


def features(shape, device, dtype=torch.float32):
    torch.manual_seed(1)
    return (2 * torch.randn(shape) + torch.randn(shape[1], 1, 1)).to(device, dtype)


def seeded(layer, x):
    """The layer's output, with the draws that the oracle has too."""
    torch.manual_seed(2)
    return layer(x)


def formula(layer, x):
    torch.manual_seed(2)
    if layer.kind in RANDOM and not layer.training:
        return x
    return ORACLES[layer.kind](layer, x)


def oracle(layer, x):
    return formula(copy.deepcopy(layer).double(), x.double())


def test_the_registry_has_an_oracle_and_a_case_for_every_layer():
    assert set(ORACLES) == set(LAYERS) == {kind for kind, _ in CASES}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_equals_its_formula(layer, shape, layout, training, device, dtype):
    x = features(shape, device, dtype).contiguous(memory_format=layout)
    layer.train(training)
    with torch.set_grad_enabled(training):
        out = seeded(layer, x)
    assert out.dtype == dtype and out.shape == x.shape
    expected = oracle(layer, x)
    tolerance = 1e-5 if dtype == torch.float32 else 20 * torch.finfo(dtype).eps
    assert ((out - expected).abs() <= tolerance * expected.abs().clamp(min=1)).all()


def test_gradcheck(layer, device):
    if layer.kind == "mixstyle":
        pytest.skip("its gradient leaves mu and sigma out by design: the next test holds it")
    layer.double()
    x = features((2, CHANNELS, 3, 4), device, torch.float64).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *parameters):
        torch.manual_seed(2)
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    torch.autograd.gradcheck(run, (x, *layer.parameters()))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_equal_those_of_the_formula(layer, layout, device):
    layer.double()
    x = features((2, CHANNELS, 6, 5), device, torch.float64).contiguous(memory_format=layout)
    inputs = [x.requires_grad_(), *layer.parameters()]
    weight = torch.randn_like(x)
    got, expected = (
        torch.autograd.grad((out * weight).sum(), inputs, allow_unused=True)
        for out in (seeded(layer, x), formula(layer, x))
    )
    for a, b in zip(got, expected, strict=True):
        zero = torch.zeros(())
        torch.testing.assert_close(zero if a is None else a, zero if b is None else b)


def test_keeps_the_input_alone_for_the_backward(layer, device):
    x = features((2, CHANNELS, 40, 40), device).requires_grad_()
    with saved_maps(x.numel() // 4) as maps:
        layer(x)
    assert maps <= {x.data_ptr()}  # empty where the backward makes the map anew from the input


def test_a_map_that_is_empty_constant_or_one_pixel_has_finite_gradients(layer, device):
    for x in (
        torch.empty(0, CHANNELS, 4, 4),
        torch.full((1, CHANNELS, 6, 6), 3.0),
        torch.zeros(1, CHANNELS, 6, 6),
        torch.randn(2, CHANNELS, 1, 1),
    ):
        x = x.to(device).requires_grad_()
        out = layer(x)
        out.sum().backward()
        assert out.shape == x.shape
        assert torch.isfinite(out).all() and torch.isfinite(x.grad).all()


def test_channels_last_maps_of_a_transformer(layer, device):
    """(N, H, W, C) in and out, as between Swin's stages."""
    x = features((2, CHANNELS, 5, 7), device)
    expected = seeded(layer, x)
    layer.channels_last = True
    got = seeded(layer, x.permute(0, 2, 3, 1).contiguous())
    torch.testing.assert_close(got, expected.permute(0, 2, 3, 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_place_equals_out_of_place(layer, layout, device):
    x = features((2, CHANNELS, 6, 5), device).contiguous(memory_format=layout)
    with torch.no_grad():
        expected = seeded(layer, x)
        layer.inplace = True
        out = seeded(layer, x)
    assert out.data_ptr() == x.data_ptr()
    assert torch.equal(out, expected)


def test_scripts_traces_exports_and_compiles(layer, device):
    layer.eval()
    x = features((2, CHANNELS, 6, 5), device)
    expected = oracle(layer, x).float()
    close = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(torch.jit.script(layer)(x), expected, **close)
    traced = torch.jit.trace(layer, torch.zeros(1, CHANNELS, 4, 4, device=device))
    torch.testing.assert_close(traced(x), expected, **close)
    torch._dynamo.reset()
    exported = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(exported(x), expected, **close)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected, **close)


def test_pickles_copies_and_saves(layer, device):
    x = features((1, CHANNELS, 4, 4), device)
    expected = seeded(layer, x)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    for other in (
        pickle.loads(pickle.dumps(layer)),
        copy.deepcopy(layer),
        torch.load(file, weights_only=False),
    ):
        assert torch.equal(seeded(other, x), expected)
    fresh = create_layer(layer.kind, CHANNELS, **layer.options).to(device)
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(seeded(fresh, x), expected)


def test_autocast_keeps_the_map_in_its_own_type(layer, device):
    x = features((2, CHANNELS, 8, 8), device)
    with torch.autocast(device.type, dtype=torch.bfloat16):
        out = seeded(layer, x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, oracle(layer, x).float(), atol=1e-5, rtol=1e-5)


def test_made_half(layer, device):
    x = features((2, CHANNELS, 8, 8), device)
    expected = seeded(layer, x)
    out = seeded(layer.bfloat16(), x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, atol=0.1, rtol=0.05)


def test_an_unknown_layer_or_option_is_one_sentence():
    with pytest.raises(
        InputError, match=r"no style layer 'sn'; choose from: snr, snr_spatial_channel, in"
    ):
        create_layer("sn", CHANNELS)
    with pytest.raises(InputError, match="instance_norm has no option 'gate'; choose from: eps"):
        create_layer("instance_norm", CHANNELS, gate="closed")


def test_options_are_those_of_the_signature():
    expected = {
        "reduction": 16,
        "gate_bias": 0.0,
        "eps": 1e-5,
        "gate": "residual",
        "trust": True,
        "rehearse": False,
    }
    assert layer_options("snr") == expected
    assert layer_options("instance_norm") == {"eps": 1e-5}


def test_one_name_of_an_option_has_one_default():
    """Detectron2's config has one key for all layers that take it."""
    defaults = {}
    for kind in LAYERS:
        for name, default in layer_options(kind).items():
            assert defaults.setdefault(name, default) == default, (kind, name)


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if not LAYERS[kind].in_blocks])
def test_goes_into_a_stage(kind):
    stage = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, stride=4, padding=1))
    backbone = insert_layer(torch.nn.Sequential(stage), ["0"], kind)
    (name,) = (n for n, m in backbone.named_modules() if type(m) is LAYERS[kind])
    assert name == ("0.snr" if kind == "snr" else "0.style")
    layer = backbone.get_submodule(name)
    assert (layer.channels, layer.stride, layer.inplace) == (16, 4.0, True)
