"""MMSegmentation's backbones with SNR: loading, freezing, initialisation, what the log says."""

import copy

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner import load_checkpoint
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, find_layers, find_snr
from tests.segmentation.networks import (
    BACKBONE,
    DRN,
    RESNET,
    SNR,
    build,
    images,
    randomise_norms,
    segmentor,
)

PLAIN = {
    "SNRResNet": {**RESNET, "type": "mmseg.ResNet"},
    "SNRResNetV1c": {**RESNET, "type": "mmseg.ResNetV1c"},
    "SNRDRN": {**DRN, "type": "DRN"},
}


def pretrained(config):
    """Plain backbone with statistics as after training."""
    return randomise_norms(build(config, seed=7))


def snr_state(network):
    return {k: v.clone() for k, v in network.state_dict().items() if ".snr." in k}


@pytest.fixture
def log(caplog):
    """What goes to the logger that MMEngine calls current; its loggers do not propagate."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize("gate", ["residual", "bounded", "static"])
@pytest.mark.parametrize("name", PLAIN)
def test_open_gates_give_the_plain_backbone(name, gate):
    """Anybody's trained network can start an SNR model without loss."""
    plain = pretrained(PLAIN[name])
    backbone = build({**PLAIN[name], "type": name, "snr": {"gate": gate, "gate_bias": 50}})
    plain.eval()  # MMSegmentation's ResNet does not return itself
    backbone.eval()
    keys = backbone.load_state_dict(plain.state_dict(), strict=False)
    assert not keys.unexpected_keys
    assert set(keys.missing_keys) == set(snr_state(backbone))
    stages = (3, 4, 5) if name == "SNRDRN" else (1, 2, 3)
    assert list(find_snr(backbone)) == [f"layer{stage}.snr" for stage in stages]
    with torch.no_grad():
        for out, expected in zip(backbone(images()), plain(images()), strict=True):
            assert (out - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", PLAIN)
def test_init_cfg_loads_every_original_key(name, tmp_path):
    plain = pretrained(PLAIN[name])
    file = str(tmp_path / "plain.pth")
    torch.save({"state_dict": plain.state_dict()}, file)
    init_cfg = {"type": "Pretrained", "checkpoint": file}
    backbone = build({**PLAIN[name], "type": name, "init_cfg": init_cfg})
    before = snr_state(backbone)
    backbone.init_weights()
    after = backbone.state_dict()
    for key, value in {**plain.state_dict(), **before}.items():
        assert torch.equal(after[key], value), key
    assert len(after) == len(plain.state_dict()) + len(before)


@pytest.mark.parametrize("name", PLAIN)
def test_default_initialisation_leaves_snr_as_it_was(name):
    backbone = build({**PLAIN[name], "type": name, "snr": {"gate_bias": 1.5}})
    for snr in find_snr(backbone).values():
        nn.init.normal_(snr.norm.weight)
    before = copy.deepcopy(backbone.state_dict())
    backbone.init_weights()
    after = backbone.state_dict()
    for key, value in before.items():
        if ".snr." in key:
            assert torch.equal(after[key], value), key
        elif value.dim() == 4:
            assert not torch.equal(after[key], value), key


@pytest.mark.parametrize("inside", [False, True], ids=["bare", "in-segmentor"])
@pytest.mark.parametrize(
    ("name", "frozen", "frozen_layers"),
    [
        ("SNRResNet", 3, ["conv1", "bn1", "layer1", "layer2", "layer3"]),
        ("SNRResNetV1c", 3, ["stem", "layer1", "layer2", "layer3"]),
        ("SNRDRN", 5, [f"layer{index}" for index in range(6)]),
    ],
)
def test_frozen_stages_leave_snr_in_training(name, frozen, frozen_layers, inside):
    config = {**PLAIN[name], "type": name, "frozen_stages": frozen, "norm_eval": True}
    whole = build(segmentor(backbone=config)) if inside else build(config)
    backbone = whole.backbone if inside else whole
    for mode in (True, False, True):  # as built, as a runner evaluates, and as it trains on
        whole.train(mode)
        for parameter_name, parameter in backbone.named_parameters():
            layer = parameter_name.split(".")[0]
            expected = ".snr." in parameter_name or layer not in frozen_layers
            assert parameter.requires_grad == expected, parameter_name
        assert len(find_snr(backbone)) == 3
        for snr in find_snr(backbone).values():
            assert all(module.training == mode for module in snr.modules())
        norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
        assert not any(norm.training for norm in norms)


def test_an_snr_that_somebody_froze_stays_frozen():
    backbone = build({**BACKBONE, "frozen_stages": 1})
    backbone.layer1.snr.norm.weight.requires_grad = False
    backbone.train()
    assert not backbone.layer1.snr.norm.weight.requires_grad
    assert backbone.layer1.snr.norm.bias.requires_grad


def saved(folder, state):
    torch.save({"state_dict": state}, folder / "weights.pth")
    return str(folder / "weights.pth")


def coverage(log):
    return [r.getMessage() for r in log.records if "of the backbone's" in r.getMessage()]


@pytest.mark.parametrize("prefix", ["", "backbone."], ids=["bare", "in-segmentor"])
def test_matching_checkpoint_is_reported_as_full(prefix, tmp_path, log):
    config = segmentor() if prefix else BACKBONE
    plain = pretrained(PLAIN["SNRResNet"]).state_dict()
    file = saved(tmp_path, {prefix + key: value for key, value in plain.items()})
    load_checkpoint(build(config), file)
    count = sum(not key.endswith("num_batches_tracked") for key in plain)
    expected = f"The checkpoint covers {count} of the backbone's {count} tensors"
    assert coverage(log) == [expected]
    assert f"The checkpoint lacks 30 SNR tensors ({prefix.removesuffix('backbone.')}" in log.text
    log.clear()
    load_checkpoint(build(config), saved(tmp_path, build(config).state_dict()))
    assert coverage(log) == [expected]
    assert "SNR tensors" not in log.text


def stages_renamed(state):
    return {key.replace("layer", "stage"): value for key, value in state.items()}


def one_prefix_too_many(state):
    return {"encoder." + key: value for key, value in state.items()}


@pytest.mark.parametrize("prefix", ["", "backbone."], ids=["bare", "in-segmentor"])
@pytest.mark.parametrize(
    ("foreign", "covered"), [(stages_renamed, 5), (one_prefix_too_many, 0)]
)  # 5: the stem's convolution and the four tensors of its norm
def test_foreign_checkpoint_is_reported(prefix, foreign, covered, tmp_path, log):
    config = segmentor() if prefix else BACKBONE
    plain = foreign(pretrained(PLAIN["SNRResNet"]).state_dict())
    file = saved(tmp_path, {prefix + key: value for key, value in plain.items()})
    load_checkpoint(build(config), file)
    (message,) = coverage(log)
    assert message.startswith(
        f"!!! PRETRAINED WEIGHTS DID NOT LOAD: the checkpoint covers {covered} of the backbone's"
    )
    assert "(missing" in message and "init_cfg has the prefix" in message


def test_pretrained_of_init_cfg_is_reported(tmp_path, log):
    """The prefix forgotten: a whole segmentor's checkpoint given to the backbone alone."""
    weights = pretrained(PLAIN["SNRResNet"]).state_dict()
    file = saved(tmp_path, {"backbone." + key: value for key, value in weights.items()})
    init_cfg = {"type": "Pretrained", "checkpoint": file}
    build({**BACKBONE, "init_cfg": init_cfg}).init_weights()
    assert coverage(log)[0].startswith("!!! PRETRAINED WEIGHTS DID NOT LOAD")
    log.clear()
    build({**BACKBONE, "init_cfg": {**init_cfg, "prefix": "backbone."}}).init_weights()
    assert coverage(log) == ["The checkpoint covers 100 of the backbone's 100 tensors"]


def test_checkpoint_of_another_width_is_reported(tmp_path, log):
    """MMEngine skips tensors of another shape without calling them missing."""
    narrow = build({**RESNET, "base_channels": 8})
    load_checkpoint(build(BACKBONE), saved(tmp_path, narrow.state_dict()))
    # the stem alone is as wide
    assert coverage(log)[0].startswith("!!! PRETRAINED WEIGHTS DID NOT LOAD"), coverage(log)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"snr_stages": ["layer5"]},
            r"SNRResNet snr_stages=\['layer5'\]: .*no stage 'layer5'; choose from: .*layer4",
        ),
        ({"snr_stages": ["layer1", "layer1"]}, r"SNRResNet snr_stages=.* named twice"),
        ({"snr_stages": "layer1"}, "must be a list of stage names"),
        ({"snr": {"reduction": 0}}, "SNRResNet .*reduction 0 must be 1 or more"),
        (
            {"snr_layer": "mixed"},
            "no style layer 'mixed'; choose from: snr, snr_spatial_channel, in",
        ),
        ({"snr_layer": "dsu", "snr": {"eps": 1}}, "dsu has no option 'eps'; choose from: probab"),
        ({"snr": {"gate": "ajar"}}, "SNRResNet .*no gate 'ajar'; choose from: residual, bounded"),
        (
            {"snr": {"reducton": 4}},
            r"no option .reducton.; choose from: reduction, gate_bias, eps, gate, trust, rehearse$",
        ),
    ],
)
def test_wrong_config_is_named(options, message):
    with pytest.raises(InputError, match=message):
        build({**BACKBONE, **options})


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "snr"])
def test_another_layer_by_one_word(name, kind):
    """In SNR's place in every short way, frozen stages too."""
    frozen = {"frozen_stages": 4 if name == "SNRDRN" else 2}
    backbone = build({**PLAIN[name], **frozen, "type": name, "snr_layer": kind})
    layers = find_layers(backbone).values()
    assert layers and all(type(layer) is LAYERS[kind] for layer in layers)
    for _ in range(2):
        backbone.train()
        assert all(layer.training for layer in layers)
        assert all(p.requires_grad for layer in layers for p in layer.parameters())
    out = backbone(images())
    assert all(torch.isfinite(feature).all() for feature in out)


def test_stages_and_options_reach_snr():
    options = {**SNR, "gate_bias": 2.0, "eps": 1e-3, "gate": "bounded"}
    backbone = build({**BACKBONE, "snr_stages": ["layer2", "layer4"], "snr": options})
    found = find_snr(backbone)
    assert list(found) == ["layer2.snr", "layer4.snr"]
    snr = found["layer4.snr"]
    assert snr.eps == 1e-3 and type(snr.gate).__name__ == "BoundedGate"
    assert snr.gate.fc1.out_features == 32
    assert torch.equal(snr.gate.fc2.bias, torch.full((128,), 2.0))
