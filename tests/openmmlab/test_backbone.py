"""SNRBackbone: anybody's registered backbone, itself, with a style layer in it."""

import copy
import io

import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope

from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, InstanceNorm, find_layers, find_snr
from tests.segmentation.networks import RESNET, build, images, raw_batch, segmentor

SWIN = {
    "type": "SwinTransformer",
    "embed_dims": 16,
    "depths": (1, 1, 1, 1),
    "num_heads": (1, 1, 1, 1),
    "window_size": 4,
    "drop_path_rate": 0.0,
}
MOBILENET = {"type": "MobileNetV2", "widen_factor": 0.5, "out_indices": (1, 2, 4, 6)}
# name: the backbone, stages that put out a map, their channels, their strides
NETWORKS = {
    "ResNet": (RESNET, ["layer1", "layer2"], [16, 32], [4, 8]),
    "MobileNetV2": (MOBILENET, ["layer2", "layer3"], [16, 16], [4, 8]),
    "ResNeSt": (
        {"type": "ResNeSt", "depth": 50, "base_channels": 8, "stem_channels": 8, "radix": 2},
        ["layer1", "layer2"],
        [32, 64],
        [4, 8],
    ),
}


def wrapped(backbone, after, **options):
    options = {"reduction": 4, **options}
    return build({"type": "SNRBackbone", "backbone": backbone, "after": after, **options})


@pytest.mark.parametrize("name", NETWORKS)
def test_hands_back_that_backbone_with_its_keys(name):
    config, after, channels, strides = NETWORKS[name]
    plain, backbone = build(config), wrapped(config, after)
    assert type(backbone) is type(plain)
    assert list(find_snr(backbone)) == [f"{stage}.snr" for stage in after]
    assert [snr.channels for snr in find_snr(backbone).values()] == channels
    assert [snr.stride for snr in find_snr(backbone).values()] == strides
    missing = backbone.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(".snr." in key for key in missing.missing_keys)


@pytest.mark.parametrize("name", NETWORKS)
def test_open_gates_give_the_plain_backbone(name):
    config, after, *_ = NETWORKS[name]
    plain, backbone = build(config), wrapped(config, after, gate_bias=50.0)
    plain.eval(), backbone.eval()
    backbone.load_state_dict(plain.state_dict(), strict=False)
    x = images()
    for got, expected in zip(backbone(x), plain(x), strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_frozen_stages_leave_the_layer_learning():
    """``train()`` freezes the stage again and again; a step must reach the layer all the same."""
    model = build(
        segmentor(
            backbone={
                "type": "SNRBackbone",
                "backbone": {**RESNET, "frozen_stages": 2},
                "after": ["layer1", "layer2"],
                "reduction": 4,
            }
        )
    )
    for _ in range(2):
        model.eval()
        model.train()
        data = model.data_preprocessor(raw_batch(), True)
        loss, _ = model.parse_losses(model(**data, mode="loss"))
        model.zero_grad()
        loss.backward()
        for name, parameter in model.backbone.named_parameters():
            if name.startswith(("conv1", "layer1", "layer2")):
                assert (parameter.grad is not None) == (".snr." in name), name
        assert all(snr.training for snr in find_snr(model).values())


def test_instance_norm_alone():
    backbone = build(
        {
            "type": "SNRBackbone",
            "backbone": RESNET,
            "after": ["layer1"],
            "layer": "instance_norm",
            "eps": 1e-3,
        }
    )
    (layer,) = find_layers(backbone).values()
    assert type(layer) is InstanceNorm and layer.eps == 1e-3


@pytest.mark.parametrize("kind", [kind for kind in LAYERS if kind != "snr"])
@pytest.mark.parametrize("depth", [18, 50])
def test_every_layer_learns_in_frozen_stages_and_keeps_the_keys(kind, depth):
    config = {**RESNET, "depth": depth, "base_channels": 16, "frozen_stages": 2}
    plain, backbone = build(config), build(
        {"type": "SNRBackbone", "backbone": config, "after": ["layer1", "layer2"], "layer": kind}
    )  # fmt: skip
    assert not backbone.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    backbone.train()
    sum(out.sum() for out in backbone(images())).backward()
    layers = find_layers(backbone)
    assert layers and all(type(layer) is LAYERS[kind] for layer in layers.values())
    for layer in layers.values():
        assert layer.training and all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("moment", ["new", "after a step"])
def test_segmentor_saves_and_copies_whole(moment):
    model = build(
        segmentor(
            backbone={
                "type": "SNRBackbone", "backbone": RESNET, "after": ["layer1"], "reduction": 4
            }
        )
    ).train()  # fmt: skip
    data = model.data_preprocessor(raw_batch(), True)
    if moment != "new":
        model.parse_losses(model(**data, mode="loss"))[0].backward()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (torch.load(file, weights_only=False), copy.deepcopy(model)):
        losses = other(**data, mode="loss")
        assert losses["loss_snr_restitution"] > 0
        other.parse_losses(losses)[0].backward()
        assert other.backbone.layer1.snr.gate.fc2.weight.grad is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after": ["layer9"]}, r"SNRBackbone after=.*no stage 'layer9'"),
        ({"after": ["layer1"], "width": 3}, "snr has no option 'width'; choose from: reduction"),
        ({"after": ["layer1"], "layer": "norm"}, "no style layer 'norm'; choose from: snr"),
    ],
)
def test_wrong_config_is_one_sentence(options, message):
    with pytest.raises(InputError, match=message):
        wrapped(**{"backbone": RESNET, **options})


def test_is_found_from_every_scope():
    for scope in ("mmseg", "mmengine"):
        with DefaultScope.overwrite_default_scope(scope):
            from mmengine.registry import MODELS

            assert MODELS.get("SNRBackbone").__module__ == "snr_plugins.openmmlab.backbone"


def test_ibn_a_outlives_sync_bn():
    """MMEngine turns SyncBN into BN in a run of one process, and makes the norms anew."""
    resnet = {**RESNET, "norm_cfg": {"type": "SyncBN"}}
    backbone = build(
        {"type": "SNRBackbone", "backbone": resnet, "after": ["layer1"], "layer": "ibn_a"}
    )
    reverted = revert_sync_batchnorm(backbone)
    reverted.eval()
    layers = find_layers(reverted)
    assert layers
    seen = []
    for layer in layers.values():
        layer.register_forward_hook(lambda layer, inputs, out: seen.append(layer))
    for _ in range(2):
        reverted(images())
    assert seen == 2 * list(layers.values())  # each once a pass


def test_ibn_b_keeps_the_norms_of_its_block_whatever_their_names():
    resnet = {**RESNET, "norm_cfg": {"type": "GN", "num_groups": 2}}
    backbone = build(
        {"type": "SNRBackbone", "backbone": resnet, "after": ["layer1"], "layer": "ibn_b"}
    )
    norms = [m for m in backbone.layer1.modules() if isinstance(m, torch.nn.GroupNorm)]
    run = []
    for norm in norms:
        norm.register_forward_hook(lambda norm, inputs, out: run.append(norm))
    backbone(images())
    assert norms and set(run) == set(norms)


def test_layers_in_frozen_stages_are_parameters_from_the_start():
    """An optimizer is built before the first step; Swin's stages have forwards of their own."""
    backbone = wrapped({**SWIN, "frozen_stages": 1}, ["stages.0.blocks", "stages.1.blocks"])
    assert all(p.requires_grad for snr in find_snr(backbone).values() for p in snr.parameters())
    backbone.train()
    assert not any(p.requires_grad for p in backbone.patch_embed.parameters())


def test_pretrained_of_a_model_is_the_inner_backbones():
    """mmseg's EncoderDecoder hands it on to whatever model.backbone is."""
    backbone = wrapped(RESNET, ["layer1"], pretrained="somewhere.pth")
    assert backbone.init_cfg["checkpoint"] == "somewhere.pth"
