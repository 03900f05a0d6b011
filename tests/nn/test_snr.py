"""SNR against the paper's textbook form."""

import pytest
import torch
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, find_snr, observed, textbook
from tests.nn.watch import observation_of


def random_snr(channels=32, dtype=torch.float32, **options):
    torch.manual_seed(0)
    snr = SNR(channels, **options).to(dtype)
    with torch.no_grad():  # not the neutral start: every parameter must matter
        for parameter in snr.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return snr


def random_features(*shape, dtype=torch.float32):
    torch.manual_seed(1)
    return 2 * torch.randn(*shape, dtype=dtype) + torch.randn(shape[1], 1, 1, dtype=dtype)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_equals_textbook(training, layout, dtype, tolerance):
    snr = random_snr(dtype=dtype).train(training)
    x = random_features(3, 32, 9, 14, dtype=dtype).contiguous(memory_format=layout)
    _, enhanced, _ = textbook.features(snr, x)
    out = snr(x)
    assert (out - enhanced).abs().max() <= tolerance
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=layout)


def test_all_three_features_equal_textbook():
    snr = random_snr(dtype=torch.float64).train()
    x = random_features(2, 32, 5, 7, dtype=torch.float64)
    step = observation_of(snr, x)
    centred = x - step.coefficients.mean[..., None, None]
    for affine, expected in zip(step.coefficients[1:], textbook.features(snr, x), strict=True):
        got = affine.scale[..., None, None] * centred + affine.centre[..., None, None]
        torch.testing.assert_close(got, expected, atol=1e-10, rtol=0)


def test_gradcheck():
    snr = random_snr(4, dtype=torch.float64, reduction=2)
    x = random_features(2, 4, 3, 2, dtype=torch.float64).requires_grad_()
    names = [name for name, _ in snr.named_parameters()]

    def run(x, *parameters):
        return torch.func.functional_call(snr, dict(zip(names, parameters, strict=True)), (x,))

    torch.autograd.gradcheck(run, (x, *snr.parameters()))


def test_gradients_equal_textbook():
    snr = random_snr(dtype=torch.float64)
    x = random_features(2, 32, 6, 5, dtype=torch.float64).requires_grad_()
    weight = torch.randn(2, 32, 6, 5, dtype=torch.float64)
    inputs = [x, *snr.parameters()]
    ours = torch.autograd.grad((snr(x) * weight).sum(), inputs)
    theirs = torch.autograd.grad((textbook.features(snr, x)[1] * weight).sum(), inputs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_input_keeps_float32_statistics(dtype):
    snr = random_snr().eval()
    # In float16 the sum of squares of this map overflows, and bfloat16 rounds its mean by 4.
    x = (random_features(1, 32, 40, 40) + 1000).to(dtype)
    expected = textbook.features(snr.double(), x.double())[1]
    out = snr.float()(x)
    assert out.dtype == dtype
    assert ((out.double() - expected).abs() / expected.abs().clamp(min=1)).max() < 0.02


def test_model_made_half():
    snr = random_snr().eval()
    x = random_features(1, 32, 12, 12)
    expected = snr(x)
    out = snr.bfloat16()(x.bfloat16())
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, atol=0.1, rtol=0.05)


def test_autocast():
    snr = random_snr().eval()
    x = random_features(2, 32, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = snr(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, textbook.features(snr, x)[1], atol=1e-5, rtol=1e-5)


def test_one_pixel_map_is_pure_beta_and_residual():
    snr = random_snr()
    x = random_features(2, 32, 1, 1)
    gate = snr.gate(x[:, :, 0, 0], snr.norm.weight, snr.norm.bias)
    beta = snr.norm.bias
    expected = beta + gate * (x[:, :, 0, 0] - beta)  # F~ = beta on a map without variance
    # s = gamma / sqrt(eps) is some 300 here: as in instance norm, what s * mean rounds is seen
    torch.testing.assert_close(snr(x)[:, :, 0, 0], expected, atol=2e-4, rtol=0)


def test_constant_map():
    snr = random_snr()
    x = torch.full((1, 32, 6, 6), 3.0, requires_grad=True)
    out = snr(x)
    beta = snr.norm.bias  # F~ = beta: there is no variance
    gate = snr.gate(torch.full((1, 32), 3.0), snr.norm.weight, beta)
    expected = (beta + gate * (3 - beta))[..., None, None].expand_as(x)
    torch.testing.assert_close(out, expected, atol=2e-4, rtol=0)  # as above
    out.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_empty_batch():
    snr = random_snr()
    x = torch.empty(0, 32, 4, 4, requires_grad=True)
    out = snr(x)
    assert out.shape == (0, 32, 4, 4)
    out.sum().backward()
    assert all((p.grad == 0).all() for p in snr.parameters())


def test_open_gate_is_identity():
    snr = SNR(32, gate_bias=50.0)
    x = random_features(2, 32, 5, 5)
    torch.testing.assert_close(snr(x), x, atol=1e-6, rtol=1e-6)


def test_state_dict_names():
    assert set(SNR(32).state_dict()) == {
        "norm.weight",
        "norm.bias",
        "gate.fc1.weight",
        "gate.fc1.bias",
        "gate.fc2.weight",
        "gate.fc2.bias",
        "trust.seen",
        "trust.style_mean",
        "trust.style_var",
        "trust.log_distance",
    }
    assert not [name for name in SNR(32, trust=False).state_dict() if "trust" in name]


def test_is_observed_inside_the_block_alone():
    snr, x = random_snr(), random_features(1, 32, 3, 3)
    seen = []

    def fails_after_the_forward():
        with observed({"a": snr}, lambda *step: seen.append(step)):
            snr(x)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fails_after_the_forward()
    snr(x)
    ((name, step),) = seen
    assert name == "a"
    assert step.features is x  # the input itself, not a copy


def test_scripts_and_traces():
    snr = random_snr().eval()
    x = random_features(2, 32, 6, 5)
    expected = textbook.features(snr, x)[1]
    torch.testing.assert_close(torch.jit.script(snr)(x), expected, atol=1e-5, rtol=1e-5)
    traced = torch.jit.trace(snr, torch.zeros(1, 32, 4, 4))
    torch.testing.assert_close(traced(x), expected, atol=1e-5, rtol=1e-5)


def test_reduction_out_of_range():
    with pytest.raises(InputError, match="reduction 0 must be 1 or more"):
        SNR(8, reduction=0)


def test_find_snr():
    model = nn.Sequential(nn.Conv2d(3, 16, 1), SNR(16))
    assert list(find_snr(model)) == ["1"]
