"""What must hold for every map: drawn by hypothesis, in float32, over sizes, styles and layers."""

import pytest
import torch

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snr_plugins.nn import SNR, create_layer, textbook
from snr_plugins.nn.gate import GATES
from tests.nn.watch import observation_of

EXAMPLES = 100
many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the device is the same for all
)
CHANNELS = 8


@st.composite
def maps(draw, pixels=1):
    """(N, C, H, W) of at least so many pixels, each image and channel with a style of its own."""
    images, height, width = draw(st.integers(1, 3)), *draw(sizes(pixels))
    deviation = 10 ** draw(st.floats(-1, 2))
    offset = draw(st.floats(-3, 3)) * deviation
    torch.manual_seed(draw(st.integers(0, 2**16)))
    style = torch.rand(2, images, CHANNELS, 1, 1)
    noise = torch.randn(images, CHANNELS, height, width)
    return deviation * ((0.5 + style[0]) * noise + style[1]) + offset


def sizes(pixels):
    size = st.tuples(st.integers(1, 9), st.integers(1, 9))
    return size.filter(lambda hw: hw[0] * hw[1] >= pixels)


@st.composite
def layers(draw):
    """A layer that draws nothing at random, none of its parameters at its neutral start."""
    kind = draw(st.sampled_from(["snr", "snr_spatial_channel", "instance_norm", "ibn_a", "ibn_b"]))
    options = {}
    if "snr" in kind:
        options["reduction"] = draw(st.sampled_from([1, 2, 8]))
    if kind == "snr":
        options["gate"] = draw(st.sampled_from(sorted(GATES)))
        options["trust"] = draw(st.booleans())
    torch.manual_seed(draw(st.integers(0, 2**16)))
    layer = create_layer(kind, CHANNELS, **options)
    if options.get("trust"):
        for _ in range(10):
            layer(torch.randn(8, CHANNELS, 4, 4) * torch.rand(8, CHANNELS, 1, 1))
    return _moved(layer).train(draw(st.booleans()))


def _moved(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def assert_close(got, expected, tolerance=1e-5):
    """Within ``tolerance`` of the largest number."""
    assert (got - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1)


@pytest.mark.fault(
    "numbers",
    "Maps of any size and style, drawn",
    "SNR's affine maps are the textbook's three features",
    tries=EXAMPLES,
)
@many
@given(maps(pixels=2), st.integers(0, 2**16))
def test_the_affine_maps_are_the_textbooks_three_features(device, x, seed):
    torch.manual_seed(seed)
    snr, x = _moved(SNR(CHANNELS, 2)).to(device), x.to(device)
    seen = observation_of(snr, x).coefficients
    centred = x - seen.mean[..., None, None]
    exact = textbook.features(snr.double(), x.double())
    for affine, expected in zip(seen[1:], exact, strict=True):
        got = affine.scale[..., None, None] * centred + affine.centre[..., None, None]
        assert_close(got, expected)


@pytest.mark.fault(
    "numbers",
    "A scale and a shift of each image, drawn",
    "the normalised feature changes by nothing",
    tries=EXAMPLES,
)
@many
@given(maps(pixels=16), st.floats(0.1, 10), st.floats(-100, 100))
def test_the_normalised_feature_knows_no_scale_and_no_shift_of_an_image(device, x, scale, shift):
    snr = _moved(SNR(CHANNELS, 2, eps=1e-12)).to(device).double()
    x = x.to(device).double()
    factors = scale ** torch.arange(len(x), device=device).view(-1, 1, 1, 1).double()
    changed = factors * x + shift  # each image by a scale of its own

    def normalised(features):
        seen = observation_of(snr, features).coefficients
        mean, scale, centre = (v[..., None, None] for v in (seen.mean, *seen.normalised))
        return scale * (features - mean) + centre

    assert_close(normalised(changed), normalised(x), 1e-6)


@pytest.mark.fault(
    "numbers",
    "Maps through a gate that is open, drawn",
    "the layer is the identity",
    tries=EXAMPLES,
)
@many
@given(maps(), st.sampled_from(["residual", "bounded", "static"]))
def test_an_open_gate_is_the_identity(device, x, gate):
    torch.manual_seed(0)
    x = x.to(device)
    snr = SNR(CHANNELS, 2, gate=gate, gate_bias=1e4).to(device)  # over whatever a style adds
    assert_close(snr(x), x, 1e-6)


@pytest.mark.fault(
    "numbers",
    "Images in another order, drawn with map and layer",
    "they come out in that order",
    tries=EXAMPLES,
)
@many
@given(layers(), maps(), st.randoms(use_true_random=False))
def test_images_in_another_order(device, layer, x, random):
    layer, x = layer.to(device), x.to(device)
    order = random.sample(range(len(x)), len(x))
    assert_close(layer(x[order]), layer(x)[order])


@pytest.mark.fault(
    "numbers",
    "Channels in another order, drawn with map and layer",
    "they come out in that order",
    tries=EXAMPLES,
)
@many
@given(layers(), maps(), st.randoms(use_true_random=False))
def test_channels_in_another_order(device, layer, x, random):
    layer, x = layer.to(device).eval(), x.to(device)
    half = CHANNELS // 2
    first = random.sample(range(half), half)  # IBN-a keeps its two halves apart
    order = first + [half + c for c in random.sample(range(half), half)]
    expected = layer(x)[:, order]
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():  # the same memory as the layer's
            if name in ("gate.fc1.weight",):
                tensor.copy_(tensor[:, order].clone())
            elif name.startswith("trust.style"):
                tensor.copy_(tensor[order + [CHANNELS + c for c in order]].clone())
            elif tensor.shape[:1] == (CHANNELS,) and name != "gate.fc1.bias":
                tensor.copy_(tensor[order].clone())
            elif name.startswith("norm."):  # of IBN-a
                tensor.copy_(tensor[first].clone())
    assert_close(layer(x[:, order]), expected)


@pytest.mark.fault(
    "numbers",
    "In place, drawn with map, layer and layout",
    "the same as out of place, to the bit",
    tries=EXAMPLES,
)
@many
@given(layers(), maps(), st.booleans())
def test_in_place(device, layer, x, last):
    layer, x = layer.to(device).eval(), _laid_out(x.to(device), last)
    with torch.no_grad():
        expected = layer(x)
        layer.inplace = True
        out = layer(x)
    assert out.data_ptr() == x.data_ptr() and torch.equal(x, expected)


@pytest.mark.fault(
    "numbers",
    "Channels beside each other in memory, drawn with map and layer",
    "the same as contiguous, gradients too",
    tries=EXAMPLES,
)
@many
@given(layers(), maps())
def test_either_memory_format(device, layer, x):
    layer, x = layer.to(device).eval(), x.to(device)
    outs, grads = [], []
    for last in (False, True):
        features = _laid_out(x.clone(), last).requires_grad_()
        outs.append(layer(features))
        grads.append(torch.autograd.grad(outs[-1].square().sum(), features)[0])
    assert_close(outs[1], outs[0].detach())
    assert_close(grads[1], grads[0], 1e-4)


def _laid_out(x, last):
    return x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)


@pytest.mark.fault(
    "numbers",
    "Layers compiled by torch's default backend, for three sizes of map",
    "the same as eager, gradients too",
    tries=3,
)
@pytest.mark.slow  # the default backend calls a C++ compiler
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("kind", ["snr", "snr_spatial_channel", "instance_norm", "ibn_a"])
def test_compiled_by_the_default_backend(device, kind, training):
    torch._dynamo.reset()
    torch.manual_seed(0)
    layer = create_layer(kind, CHANNELS, **({"reduction": 2} if "snr" in kind else {}))
    layer = _moved(layer).to(device).train(training)
    compiled = torch.compile(layer, fullgraph=True)
    for shape in ((2, CHANNELS, 6, 5), (1, CHANNELS, 1, 9), (3, CHANNELS, 16, 2)):
        x = (3 * torch.randn(shape, device=device) + 1).requires_grad_()
        inputs = [x, *layer.parameters()]
        got, expected = (
            (out, *torch.autograd.grad(out.square().sum(), inputs))
            for out in (run(x) for run in (compiled, layer))
        )
        for a, b in zip(got, expected, strict=True):
            assert_close(a, b.detach(), 1e-4)
