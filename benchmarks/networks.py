"""The networks that SNR is tested in, where it goes in each, and what it costs there.

    python -m benchmarks.networks        # writes the tables of docs/networks.md anew

Parameters and multiply-adds are counted, not measured: those of convolutions and matrix products by
torch's own counter; of each SNR three for every number of its map (mean, variance, the map itself).
Tests run the slot in every one of them, in a small form where that is quicker.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from snr_plugins.nn import default_stages, find_snr, insert_snr
from snr_plugins.nn.shapes import example_for

PAGE = Path(__file__).resolve().parents[1] / "docs" / "networks.md"
BEGIN, END = "<!-- networks: begin -->", "<!-- networks: end -->"
SIDE = 224  # of the image that multiply-adds are counted on


class Network(NamedTuple):
    """``build(**small)`` makes a quick one; ``after`` is None where :func:`default_stages` says."""

    package: str
    build: Callable[..., nn.Module]
    after: tuple[str, ...] | None = None
    small: Mapping[str, Any] = MappingProxyType({})


def torchvision_net(name: str, *after: str, **small: Any) -> Network:
    def build(**options: Any) -> nn.Module:
        import torchvision

        return getattr(torchvision.models, name)(weights=None, **options)

    return Network("torchvision", build, after, small)


def torchvision_vit(**options: Any) -> nn.Module:
    from torchvision.models import VisionTransformer

    base = {"image_size": 224, "patch_size": 16, "num_layers": 12, "num_heads": 12}  # vit_b_16
    network = VisionTransformer(**{**base, "hidden_dim": 768, "mlp_dim": 3072, **options})
    network.heads = nn.Identity()  # its classifier starts at zero
    return network


def timm_net(name: str, *after: str, **small: Any) -> Network:
    def build(**options: Any) -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, features_only=True, **options)

    return Network("timm", build, after or None, small)


def mmseg_net(name: str, *after: str, small: dict[str, Any], **options: Any) -> Network:
    def build(**changes: Any) -> nn.Module:
        from mmengine.registry import MODELS, DefaultScope
        from mmseg.utils import register_all_modules

        register_all_modules(init_default_scope=False)
        with DefaultScope.overwrite_default_scope("mmseg"):
            return MODELS.build({"type": name, **options, **changes})

    return Network("mmseg", build, after, small)


def detectron2_net(
    module: str, name: str, *after: str, small: dict[str, Any], **options: Any
) -> Network:
    def build(**changes: Any) -> nn.Module:
        factory = getattr(importlib.import_module(f"detectron2.modeling.backbone.{module}"), name)
        return factory(**{**options, **changes})

    return Network("detectron2", build, after, small)


def detectron2_resnet(**options: Any) -> nn.Module:
    from detectron2.config import get_cfg
    from detectron2.layers import ShapeSpec
    from detectron2.modeling import build_resnet_backbone

    cfg = get_cfg()
    cfg.MODEL.RESNETS.OUT_FEATURES = ["res2", "res3", "res4", "res5"]
    for key, value in options.items():
        cfg.MODEL.RESNETS[key] = value
    return build_resnet_backbone(cfg, ShapeSpec(channels=3))


def detectron2_regnet(**options: Any) -> nn.Module:
    from detectron2.modeling.backbone import RegNet
    from detectron2.modeling.backbone.regnet import ResBottleneckBlock, SimpleStem

    # RegNetX-400MF
    return RegNet(
        **{
            **{"stem_class": SimpleStem, "stem_width": 32, "block_class": ResBottleneckBlock},
            **{"depth": 22, "w_a": 24.48, "w_0": 24, "w_m": 2.54, "group_width": 16},
            **{"freeze_at": 0, "norm": "BN", "out_features": ["s1", "s2", "s3", "s4"]},
            **options,
        }
    )


TINY = {"depth": 4, "embed_dim": 48, "num_heads": 3}  # of plain transformers
TINY_SWIN = {"embed_dims": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 4}
TINY_MIT = {"embed_dims": 16, "num_layers": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)}
LAYERS = ("layer1", "layer2", "layer3")

NETWORKS: dict[str, Network] = {
    "ResNet": torchvision_net("resnet18", *LAYERS),
    "MobileNetV2": torchvision_net("mobilenet_v2", "features.3", "features.6", "features.13"),
    "MobileNetV3": torchvision_net("mobilenet_v3_small", "features.1", "features.3", "features.8"),
    "EfficientNet": torchvision_net("efficientnet_b0", "features.2", "features.3", "features.5"),
    "ConvNeXt": torchvision_net("convnext_tiny", "features.1", "features.3", "features.5"),
    "RegNet": torchvision_net("regnet_x_400mf", *(f"trunk_output.block{i}" for i in (1, 2, 3))),
    "DenseNet": torchvision_net("densenet121", *(f"features.denseblock{i}" for i in (1, 2, 3))),
    "Swin": torchvision_net("swin_t", "features.1", "features.3", "features.5"),
    "ViT": Network(
        "torchvision",
        torchvision_vit,
        tuple(f"encoder.layers.encoder_layer_{i}" for i in (2, 5, 8)),
        {"hidden_dim": 48, "num_heads": 3, "mlp_dim": 96},
    ),
    "timm BEiT/EVA": timm_net("eva02_tiny_patch14_224", depth=4),
    "timm CaiT": timm_net("cait_xxs24_224", depth=4),
    "timm CoAtNet": timm_net("coatnet_pico_rw_224"),
    "timm CoaT": timm_net("coat_lite_tiny"),
    "timm ConvNeXt": timm_net("convnext_atto"),
    "timm CSPNet": timm_net("cspresnet50"),
    "timm DarkNet": timm_net("darknet17"),
    "timm DaViT": timm_net("davit_tiny"),
    "timm DeiT": timm_net("deit_tiny_distilled_patch16_224", **TINY),
    "timm DenseNet": timm_net("densenet121", block_config=(2, 2, 2, 2)),
    "timm DLA": timm_net("dla46_c"),
    "timm DPN": timm_net("dpn48b"),
    "timm EdgeNeXt": timm_net("edgenext_xx_small"),
    "timm EfficientFormer": timm_net("efficientformer_l1", img_size=64),
    "timm EfficientNet": timm_net("efficientnet_lite0"),
    "timm EfficientViT": timm_net("efficientvit_b0"),
    "timm FastViT": timm_net("fastvit_t8"),
    "timm FocalNet": timm_net("focalnet_tiny_srf"),
    "timm GhostNet": timm_net("ghostnet_050"),
    "timm HGNet": timm_net("hgnet_tiny"),
    "timm Hiera": timm_net("hiera_tiny_224", stages=(1, 1, 1, 1), embed_dim=32),
    "timm HRNet": timm_net("hrnet_w18_small", "layer1", "stage2", "stage3"),
    "timm InceptionNeXt": timm_net("inception_next_atto"),
    "timm Inception": timm_net("inception_v3"),
    "timm LeViT": timm_net("levit_128s"),
    "timm MambaOut": timm_net("mambaout_femto"),
    "timm MaxViT": timm_net("maxvit_rmlp_pico_rw_256"),
    "timm MetaFormer": timm_net("poolformer_s12"),
    "timm MLP-Mixer": timm_net("mixer_s32_224"),
    "timm MNASNet": timm_net("mnasnet_small"),
    "timm MobileNetV2": timm_net("mobilenetv2_035"),
    "timm MobileNetV3": timm_net("mobilenetv3_small_050"),
    "timm MobileViT": timm_net("mobilevit_xxs"),
    "timm MViTv2": timm_net("mvitv2_tiny", *(f"model.stages.{i}" for i in range(3))),
    "timm NFNet": timm_net("nf_resnet26"),
    "timm NesT": timm_net("nest_tiny"),
    "timm PVTv2": timm_net("pvt_v2_b0"),
    "timm RegNet": timm_net("regnetx_002"),
    "timm RepViT": timm_net("repvit_m0_9"),
    "timm Res2Net": timm_net("res2net50_14w_8s", layers=(1, 1, 1, 1)),
    "timm ResNeSt": timm_net("resnest14d"),
    "timm ResNet": timm_net("resnet10t"),
    "timm ResNetV2": timm_net("resnetv2_18"),
    "timm ReXNet": timm_net("rexnet_100"),
    "timm SENet": timm_net("legacy_seresnet18"),
    "timm SKNet": timm_net("skresnet18"),
    "timm StarNet": timm_net("starnet_s1"),
    "timm Swin": timm_net("swin_tiny_patch4_window7_224", embed_dim=24, depths=(1,) * 4),
    "timm TinyViT": timm_net("tiny_vit_5m_224"),
    "timm TResNet": timm_net("tresnet_m", layers=(1, 1, 1, 1)),
    "timm Twins": timm_net("twins_svt_small", *(f"model.blocks.{i}" for i in range(3))),
    "timm VGG": timm_net("vgg11_bn"),
    "timm Visformer": timm_net("visformer_tiny"),
    "timm ViT": timm_net("vit_tiny_patch16_224", **TINY),
    "timm VoVNet": timm_net("ese_vovnet19b_dw"),
    "timm Xception": timm_net("xception41"),
    "timm XCiT": timm_net("xcit_nano_12_p16_224", depth=4),
    "mmseg ResNet": mmseg_net("ResNet", *LAYERS, depth=50, small={"depth": 18}),
    "mmseg ResNeSt": mmseg_net(
        "ResNeSt", *LAYERS, depth=50, small={"base_channels": 8, "stem_channels": 8}
    ),
    "mmseg HRNet": mmseg_net(
        "HRNet",
        "layer1",
        "stage2",
        "stage3",
        extra={
            f"stage{i}": {
                "num_modules": modules,
                "num_branches": i,
                "num_blocks": (4,) * i,
                "block": "BOTTLENECK" if i == 1 else "BASIC",
                "num_channels": (64,) if i == 1 else tuple(18 * 2**j for j in range(i)),
            }
            for i, modules in ((1, 1), (2, 1), (3, 4), (4, 3))
        },
        small={},
    ),
    "mmseg MobileNetV2": mmseg_net(
        "MobileNetV2", "layer2", "layer3", "layer5", out_indices=(1, 2, 4, 6), small={}
    ),
    "mmseg Swin": mmseg_net(
        "SwinTransformer", *(f"stages.{i}.blocks" for i in range(3)), small=TINY_SWIN
    ),
    "mmseg MiT": mmseg_net(
        "MixVisionTransformer",
        *(f"layers.{i}" for i in range(3)),
        embed_dims=32,
        num_layers=(2, 2, 2, 2),
        small=TINY_MIT,
    ),
    "mmseg ConvNeXt": mmseg_net(
        "mmpretrain.ConvNeXt",
        *(f"stages.{i}" for i in range(3)),
        arch="tiny",
        out_indices=(0, 1, 2, 3),
        gap_before_final_norm=False,
        small={"arch": {"depths": [1, 1, 1, 1], "channels": [16, 32, 64, 128]}},
    )._replace(package="mmpretrain"),
    "Detectron2 ResNet": Network(
        "detectron2", detectron2_resnet, ("res2", "res3", "res4"), {"STEM_OUT_CHANNELS": 16}
    ),
    "Detectron2 RegNet": Network("detectron2", detectron2_regnet, ("s1", "s2", "s3"), {"w_a": 40}),
    "Detectron2 Swin": detectron2_net(
        "swin",
        "SwinTransformer",
        *(f"layers.{i}.blocks" for i in range(3)),
        small={"embed_dim": 16, "depths": (1,) * 4, "num_heads": (1,) * 4, "window_size": 4},
    ),
    "Detectron2 MViT": detectron2_net(
        "mvit",
        "MViT",
        "blocks.0",
        "blocks.2",
        "blocks.7",
        depth=10,
        last_block_indexes=(0, 2, 7, 9),
        small={"embed_dim": 16, "img_size": 64, "pretrain_img_size": 64},
    ),
    "Detectron2 ViT": detectron2_net(
        "vit",
        "ViT",
        "blocks.2",
        "blocks.5",
        "blocks.8",
        small={"embed_dim": 32, "num_heads": 2, "img_size": 64},
    ),
}


def cost(name: str) -> str:
    """A row of the table: network, stages, parameters and multiply-adds with what SNR adds."""
    try:
        return _cost(name, "meta")  # counting needs shapes alone
    except NotImplementedError:  # but some compute with their numbers
        return _cost(name, "cpu")


def _cost(name: str, device: str) -> str:
    network = NETWORKS[name]
    with torch.device(device):
        net = network.build()
    net.eval()
    stages = network.after or default_stages(net)
    parameters = sum(p.numel() for p in net.parameters())
    example = example_for(net)
    image = example if example.shape[2] == example.shape[3] else torch.zeros(1, 3, SIDE, SIDE)
    image = image.to(device)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(image)
    multiply_adds = counter.get_total_flops() / 2
    insert_snr(net, stages)
    layers = find_snr(net).values()
    pixels = image.shape[2] * image.shape[3]
    maps = sum(layer.channels * pixels / layer.stride**2 for layer in layers)
    gates = sum(p.numel() for layer in layers for p in layer.gate.parameters())
    added = sum(p.numel() for layer in layers for p in layer.parameters())
    return (
        f"| {name} | {', '.join(f'`{stage}`' for stage in stages)} | {parameters / 1e6:.1f} "
        f"| {100 * added / parameters:+.1f} % | {multiply_adds / 1e9:.2f} "
        f"| {100 * (3 * maps + gates) / multiply_adds:+.2f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    page = parser.parse_args().page
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    head = "| network | stages (`after`) | parameters, M | SNR | multiply-adds, G | SNR |"
    rows = [head, "|---|---|---|---|---|---|"]
    for name, network in NETWORKS.items():
        if importlib.util.find_spec(network.package) is None:
            print(f"{name} is left out: {network.package} is not installed")
            continue
        rows.append(cost(name))
        print(rows[-1], flush=True)
    page.write_text("\n".join([before.rstrip() + "\n\n" + BEGIN, *rows, END]) + after)


if __name__ == "__main__":
    main()
