"""A style layer in any backbone of Detectron2's kind, by config and by call."""

import logging

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.layers import DeformConv
from detectron2.modeling import BACKBONE_REGISTRY, build_model
from detectron2.modeling.backbone import FPN, RegNet
from detectron2.modeling.backbone.mvit import MViT
from detectron2.modeling.backbone.regnet import ResBottleneckBlock, SimpleStem
from detectron2.modeling.backbone.swin import SwinTransformer
from detectron2.utils.events import EventStorage

from snr_plugins.detection import put_in
from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, InstanceNorm, find_layers, find_snr
from tests.detection.test_models import FPN as FPN_CONFIG
from tests.detection.test_models import batch, config


def regnet():
    return RegNet(
        stem_class=SimpleStem, stem_width=16, block_class=ResBottleneckBlock, depth=8,
        w_a=20.0, w_0=16, w_m=2.5, group_width=8, freeze_at=0, norm="BN",
        out_features=["s1", "s2", "s3"],
    )  # fmt: skip


def swin():
    return SwinTransformer(
        embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=4, drop_path_rate=0.0
    )


def mvit():
    pytest.importorskip("timm", reason="Detectron2's MViT needs timm")
    return MViT(
        embed_dim=16, depth=4, last_block_indexes=(0, 1, 2, 3), adaptive_window_size=8,
        img_size=64, pretrain_img_size=64,
    )  # fmt: skip


NETWORKS = {
    "regnet": (regnet, ["s1", "s2", "s3"], ["s1", "s2"], {"s1": 4, "s2": 8}),
    "swin": (swin, ["p0", "p1", "p2"], ["p0", "p1"], {"p0": 4, "p1": 8}),
    "mvit": (
        mvit,
        ["scale2", "scale3", "scale4"],
        ["scale2", "scale3"],
        {"scale2": 4, "scale3": 8},
    ),
}


def register_own_builder(name, make, features):
    """What a user writes: a builder of a backbone of his own."""

    def build(cfg, input_shape):
        torch.manual_seed(0)
        return FPN(make(), in_features=features, out_channels=32)

    build.__name__ = f"build_own_{name}_backbone"
    if build.__name__ not in BACKBONE_REGISTRY:
        BACKBONE_REGISTRY.register(build)
    return build.__name__


@pytest.mark.parametrize("name", NETWORKS)
def test_any_registered_backbone_trains_with_the_loss(name):
    make, features, after, strides = NETWORKS[name]
    builder = register_own_builder(name, make, features)
    cfg = config(
        FPN_CONFIG,
        *("MODEL.BACKBONE.NAME", "build_snr_backbone", "MODEL.SNR.BACKBONE", builder),
        *("MODEL.SNR.STAGES", after, "MODEL.SNR.REDUCTION", 4),
        *("MODEL.RPN.IN_FEATURES", ["p2", "p3", "p4"]),
        *("MODEL.ROI_HEADS.IN_FEATURES", ["p2", "p3"]),
        *("MODEL.ANCHOR_GENERATOR.SIZES", [[32], [64], [128]]),
    )
    model = build_model(cfg).train()
    layers = find_snr(model.backbone)
    names = [key.removesuffix(".snr").split(".")[-1] for key in layers]
    assert dict(zip(names, [snr.stride for snr in layers.values()], strict=True)) == strides
    plain = make().state_dict()
    missing = model.backbone.bottom_up.load_state_dict(plain, strict=False)
    assert not missing.unexpected_keys
    assert all(".snr." in key or key.startswith("snr_outputs.") for key in missing.missing_keys)
    with EventStorage():
        losses = model(batch())
    assert losses["loss_snr_restitution"] > 0
    sum(losses.values()).backward()
    for snr in layers.values():
        assert snr.gate.fc2.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_open_gates_give_the_plain_backbone(name):
    make, _, after, _ = NETWORKS[name]
    torch.manual_seed(0)
    plain = make().eval()
    snr = put_in(make(), after, reduction=4, gate_bias=50.0).eval()
    snr.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64)
    for key, expected in plain(x).items():
        torch.testing.assert_close(snr(x)[key], expected, atol=1e-4, rtol=1e-4)


def test_swins_own_stage_has_a_layer_on_each_of_its_maps():
    """Detectron2's BasicLayer puts out x, its height and width, x made smaller, and so on."""
    assert list(find_snr(put_in(swin(), ["layers.0"]))) == ["layers.0.snr.0", "layers.0.snr.3"]


def test_operators_that_the_cpu_lacks_are_not_run():
    """Deformable convolutions: built plain, and so with SNR; the channels are declared."""
    cfg = config(FPN_CONFIG, "MODEL.RESNETS.DEFORM_ON_PER_STAGE", [False, False, True, True])
    model = build_model(cfg)
    assert any(isinstance(m, DeformConv) for m in model.backbone.bottom_up.res4.modules())
    strides = [snr.stride for snr in find_snr(model.backbone).values()]
    assert strides == [4, 8, 16]


def test_instance_norm_alone_has_the_calibrated_start_and_no_loss():
    cfg = config(FPN_CONFIG, "MODEL.SNR.LAYER", "instance_norm")
    model = build_model(cfg).train()
    layers = find_layers(model.backbone)
    assert list(layers) == [f"bottom_up.{stage}.style" for stage in ("res2", "res3", "res4")]
    assert all(type(layer) is InstanceNorm for layer in layers.values())
    with EventStorage():
        losses = model(batch())
    assert not [name for name in losses if "snr" in name]
    assert all((layer.norm.bias != 0).any() for layer in layers.values())


@pytest.mark.parametrize("kind", [k for k in LAYERS if k not in ("snr", "instance_norm")])
def test_every_other_layer_trains_by_its_name(kind, caplog):
    """Calibrated where there is a gamma, and said to need none where there is not."""
    logging.getLogger("detectron2").propagate = True
    caplog.set_level(logging.INFO)
    plain = build_model(config(FPN_CONFIG, "MODEL.BACKBONE.NAME", "build_resnet_fpn_backbone",
                               "MODEL.META_ARCHITECTURE", "GeneralizedRCNN"))  # fmt: skip
    stages = ("MODEL.SNR.STAGES", ["res2", "res3"])
    model = build_model(config(FPN_CONFIG, "MODEL.SNR.LAYER", kind, *stages)).train()
    layers = find_layers(model.backbone)
    assert layers and all(type(layer) is LAYERS[kind] for layer in layers.values())
    assert not model.load_state_dict(plain.state_dict(), strict=False).unexpected_keys
    with EventStorage():
        losses = model(batch())
    sum(losses.values()).backward()
    with_gamma = isinstance(next(iter(layers.values())), InstanceNorm)
    assert ("start at the average style" in caplog.text) == with_gamma
    assert ("no calibrated start is needed" in caplog.text) == (not with_gamma)
    for layer in layers.values():
        assert all(p.grad is not None for p in layer.parameters())


def test_ibn_net_of_a_backbone_without_residual_blocks_is_one_sentence():
    for kind, after in (("ibn_a", "layers.0"), ("ibn_b", "p0")):
        with pytest.raises(InputError, match="no residual blocks|no stage 'p0'"):
            put_in(swin(), [after], kind)


@pytest.mark.parametrize(
    ("overrides", "warned"),
    [
        ([], True),
        (["MODEL.META_ARCHITECTURE", "SNRGeneralizedRCNN"], False),
        (
            [
                *("MODEL.SNR.LOSS_WEIGHT", 0.0, "MODEL.SNR.PROBE_WEIGHT", 0.0),
                *("MODEL.SNR.CALIBRATE", False),
            ],
            False,
        ),
    ],
)
def test_only_the_backbones_name_changed_is_said(caplog, overrides, warned):
    logging.getLogger("detectron2").propagate = True
    build_model(config(FPN_CONFIG, "MODEL.META_ARCHITECTURE", "GeneralizedRCNN", *overrides))
    assert ("without the restitution loss" in caplog.text) == warned


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.SNR.BACKBONE", "build_resnet"], "MODEL.SNR.BACKBONE: 'build_resnet'; choose from"),
        (["MODEL.SNR.BACKBONE", "build_snr_backbone"], "MODEL.SNR.BACKBONE: 'build_snr_backbone'"),
        (
            ["MODEL.SNR.LAYER", "batch_norm"],
            "MODEL.SNR.LAYER: .*no style layer 'batch_norm'",
        ),
    ],
)
def test_wrong_names_are_one_sentence(overrides, message):
    with pytest.raises(InputError, match=message):
        build_model(config(FPN_CONFIG, "MODEL.BACKBONE.NAME", "build_snr_backbone", *overrides))
