"""Converted weights compute in the other program what they did in the first: real networks of each.

The released SNR model has no program to run here: its formulas, on maps and with its own names, are
written out below.
"""

import os
import pickle

import convert_checkpoint
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import insert_snr
from snr_plugins.nn.resnet_names import PROGRAMS, rename_resnet

STAGES = ["layer1", "layer2", "layer3"]
NOT_EVERYWHERE = r"^fc\.|trust"  # a classifier and trust


def randomised(network, seed=0):
    """Every norm as after a training; a fresh one hides which tensor it has."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.dim() == 1 and "trust" not in name:
                tensor.uniform_(0.5, 1.5)
    network.eval()  # of MMSegmentation's it hands nothing out
    return network


def torchvision_net(depth, **options):
    return insert_snr(getattr(torchvision.models, f"resnet{depth}")(), after=STAGES, **options)


def torchvision_features(network, x):
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    for name in (*STAGES, "layer4"):
        x = getattr(network, name)(x)
    return x


def of_torchvision(file, depth):
    network = torchvision_net(depth)
    found = network.load_state_dict(torch.load(file, weights_only=True), strict=False)
    assert not found.unexpected_keys
    assert all(k.startswith("fc.") or "trust" in k for k in found.missing_keys)
    return lambda x: torchvision_features(network.eval(), x)


def of_timm(file, depth, name="resnet{}", snr=True):
    timm = pytest.importorskip("timm")
    network = timm.create_model(name.format(depth))
    if snr:
        insert_snr(network, after=STAGES)
    timm.models.load_checkpoint(network, str(file), strict=False)
    return network.eval().forward_features


def of_detectron2(file, depth, builder="build_snr_resnet_backbone"):
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.config import get_cfg
    from detectron2.modeling import build_backbone

    from snr_plugins.detection import add_snr_config

    cfg = get_cfg()
    add_snr_config(cfg)
    if builder == "build_resnet_deeplab_backbone":  # of a project that Detectron2 installs
        deeplab = pytest.importorskip("detectron2.projects.deeplab")
        deeplab.add_deeplab_config(cfg)
        cfg.MODEL.RESNETS.RES5_MULTI_GRID = [1, 1, 1]
    cfg.merge_from_list([
        "MODEL.BACKBONE.NAME", builder, "MODEL.RESNETS.DEPTH", depth,
        "MODEL.RESNETS.RES2_OUT_CHANNELS", 64 if depth < 50 else 256,
        "MODEL.RESNETS.STRIDE_IN_1X1", False, "MODEL.RESNETS.OUT_FEATURES", ["res5"],
    ])  # fmt: skip
    backbone = build_backbone(cfg)
    DetectionCheckpointer(nn.ModuleDict({"backbone": backbone})).load(str(file))
    return lambda x: backbone.eval()(x)["res5"]


def of_mmseg(file, depth, kind="SNRResNet"):
    from mmengine.runner import load_checkpoint

    from tests.segmentation.networks import build

    network = build({"type": kind, "depth": depth})
    load_checkpoint(network, str(file))
    network.eval()  # hands nothing out
    return lambda x: network(x)[-1]


LOADED = {
    "torchvision": of_torchvision,
    "timm": of_timm,
    "detectron2": of_detectron2,
    "mmseg": of_mmseg,
}


def convert(*words):
    convert_checkpoint.convert(convert_checkpoint.parse([str(word) for word in words]))


def check_same(features, expected):
    torch.testing.assert_close(features, expected, atol=1e-5 * expected.abs().max(), rtol=1e-5)


def images():
    torch.manual_seed(7)
    return torch.randn(2, 3, 64, 96)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize(
    ("target", "suffix"), [*((name, ".pth") for name in LOADED), ("detectron2", ".pkl")]
)
@torch.no_grad()
def test_torchvision_in_every_program(target, suffix, depth, tmp_path):
    network = randomised(torchvision_net(depth))
    torch.save(network.state_dict(), tmp_path / "net.pth")
    out = tmp_path / f"out{suffix}"
    words = ["--from", "torchvision", "--to", target, "--leave-out", NOT_EVERYWHERE]
    convert(tmp_path / "net.pth", *words, "--out", out)
    check_same(LOADED[target](out, depth)(images()), torchvision_features(network, images()))


@pytest.mark.parametrize("target", PROGRAMS)
@pytest.mark.parametrize("source", PROGRAMS)
def test_there_and_back_is_the_identity(source, target, tmp_path):
    state = torchvision_net(18, trust=False).state_dict()
    state = {name: value for name, value in state.items() if not name.startswith("fc.")}
    first, _ = rename_resnet(state, "torchvision", source)
    torch.save(first, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", "--from", source, "--to", target, "--out", tmp_path / "b.pth")
    convert(tmp_path / "b.pth", "--from", target, "--to", source, "--out", tmp_path / "c.pth")
    back = convert_checkpoint.read_weights(tmp_path / "c.pth")
    assert list(back) == list(first)
    for name, value in first.items():
        assert torch.equal(back[name], value) and back[name].dtype == value.dtype


def released_features(state, x):
    """What the released classifier computes up to its pooling, by the paper's equations 1 to 4."""
    plain = torchvision.models.resnet18()
    del plain.fc
    plain.load_state_dict({k: v for k, v in state.items() if k in plain.state_dict()})
    x = plain.eval().maxpool(plain.relu(plain.bn1(plain.conv1(x))))
    for n in (1, 2, 3):
        x = getattr(plain, f"layer{n}")(x)
        gate = {
            k.split(".", 1)[1]: v for k, v in state.items() if k.startswith(f"style_reid_laye{n}")
        }
        normalised = F.instance_norm(x, weight=state[f"IN{n}.weight"], bias=state[f"IN{n}.bias"])
        residual = x - normalised
        hidden = F.conv2d(residual.mean((2, 3), True), gate["fc1.weight"], gate["fc1.bias"]).relu()
        attention = F.conv2d(hidden, gate["fc2.weight"], gate["fc2.bias"]).sigmoid()
        x = normalised + attention * residual
    return plain.layer4(x)


@torch.no_grad()
def test_the_released_classifier(tmp_path, capsys):
    torch.manual_seed(0)
    state = randomised(torchvision.models.resnet18(num_classes=7)).state_dict()
    for n, width in enumerate((64, 128, 256, 512), 1):
        state |= {f"IN{n}.weight": torch.rand(width) + 0.5, f"IN{n}.bias": torch.rand(width)}
        gate = f"style_reid_laye{n}"
        state |= {f"{gate}.fc1.weight": torch.randn(width // 16, width, 1, 1) / 8}
        state |= {f"{gate}.fc2.weight": torch.randn(width, width // 16, 1, 1)}
        state |= {
            f"{gate}.fc1.bias": torch.randn(width // 16),
            f"{gate}.fc2.bias": torch.randn(width),
        }
        if n < 4:  # probes of its loss
            state |= {f"fc{n}.weight": torch.randn(7, width), f"fc{n}.bias": torch.randn(7)}
    torch.save({"ite": 50, "state": state}, tmp_path / "best_model.tar")
    words = ["--from", "microsoft_snr", "--to", "torchvision", "--out", tmp_path / "net.pth"]
    convert(tmp_path / "best_model.tar", *words)
    assert "left out: 12 that are no part" in capsys.readouterr().out
    network = insert_snr(torchvision.models.resnet18(num_classes=7), after=STAGES, trust=False)
    network.load_state_dict(torch.load(tmp_path / "net.pth"))
    check_same(torchvision_features(network.eval(), images()), released_features(state, images()))


@pytest.mark.parametrize(
    ("kind", "target"),
    [("ResNetV1c", "timm"), ("ResNetV1d", "timm"), ("ResNetV1c", "detectron2")],
)
@torch.no_grad()
def test_stems_of_three_convolutions(kind, target, tmp_path):
    from tests.segmentation.networks import build

    network = randomised(build({"type": kind, "depth": 50}))
    torch.save({"state_dict": network.state_dict(), "meta": {}}, tmp_path / "net.pth")
    words = ["--from", "mmseg", "--to", target, "--out", tmp_path / "out.pth"]
    convert(tmp_path / "net.pth", *words)
    if target == "timm":
        other = of_timm(tmp_path / "out.pth", 50, f"resnet{{}}{kind[-1]}", snr=False)
    else:
        other = of_detectron2(tmp_path / "out.pth", 50, "build_resnet_deeplab_backbone")
    check_same(other(images()), network(images())[-1])


@torch.no_grad()
def test_caffe2_names_of_the_model_zoo(tmp_path):
    """Detectron2 reads them by itself: the converted file must give the same features."""
    torch.manual_seed(0)
    arrays = {}
    for name, value in torchvision.models.resnet18().state_dict().items():
        parts = name.split(".")
        if parts[-1] in ("running_mean", "running_var", "num_batches_tracked") or parts[0] == "fc":
            continue
        if parts[0] in ("conv1", "bn1"):
            own = {"conv1": "conv1_w", "bn1": f"res_conv1_bn_{parts[-1][0]}"}[parts[0]]
        else:
            stage, block, layer = int(parts[0][-1]) + 1, parts[1], parts[2]
            branch = "branch1" if layer == "downsample" else f"branch2{'ab'[int(layer[-1]) - 1]}"
            norm = layer.startswith("bn") or parts[3] == "1"
            own = f"res{stage}_{block}_{branch}_" + (f"bn_{parts[-1][0]}" if norm else "w")
        arrays[own.replace("bn_w", "bn_s")] = (value + 0.1 * torch.rand_like(value)).numpy()
    (tmp_path / "R-18.pkl").write_bytes(pickle.dumps(arrays))
    words = ["--from", "detectron2", "--to", "torchvision", "--out", tmp_path / "out.pth"]
    convert(tmp_path / "R-18.pkl", *words)
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(tmp_path / "out.pth"), strict=False)
    theirs = of_detectron2(tmp_path / "R-18.pkl", 18, "build_resnet_backbone")
    check_same(torchvision_features(network.eval(), images()), theirs(images()))


@torch.no_grad()
def test_images_of_the_other_channel_order(tmp_path):
    network = randomised(torchvision_net(18))
    torch.save(network.state_dict(), tmp_path / "net.pth")
    words = ["--from", "torchvision", "--to", "detectron2", "--leave-out", "^fc", "--swap-channels"]
    convert(tmp_path / "net.pth", *words, "--out", tmp_path / "out.pkl")
    features = of_detectron2(tmp_path / "out.pkl", 18)(images().flip(1))
    check_same(features, torchvision_features(network, images()))


def test_a_detectors_backbone(tmp_path, capsys):
    """Out of a whole checkpoint, and under the prefix of another's."""
    network = torchvision_net(18)
    renamed, _ = rename_resnet(network.state_dict(), "torchvision", "detectron2")
    model = {f"backbone.bottom_up.{name}": value for name, value in renamed.items()}
    model["proposal_generator.rpn_head.conv.weight"] = torch.ones(1)
    torch.save({"model": model, "iteration": 5}, tmp_path / "model_final.pth")
    words = ["--from", "detectron2", "--from-prefix", "backbone.bottom_up.", "--to", "mmseg"]
    words += ["--to-prefix", "backbone.", "--leave-out", "^linear", "--out", tmp_path / "out.pth"]
    convert(tmp_path / "model_final.pth", *words)
    found = torch.load(tmp_path / "out.pth")["state_dict"]
    assert torch.equal(found["backbone.layer1.snr.norm.weight"], network.layer1.snr.norm.weight)
    assert len(found) == len(renamed) - 2
    said = capsys.readouterr().out
    assert f"{len(found)} tensors of {len(model)}" in said
    assert "left out: 3 by --from-prefix and --leave-out" in said
    assert "Strides" in said


class Evil:
    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_what_a_file_may_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"model": {"stem.conv1.weight": Evil()}, "__author__": "nobody"}
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(content))
    torch.save(content, tmp_path / "evil.pth")
    for name in ("evil.pkl", "evil.pth"):
        with pytest.raises(InputError, match="no checkpoint of arrays or tensors alone"):
            convert(name, "--from", "detectron2", "--to", "mmseg", "--out", "out.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.pkl", "evil.pth"]


def weights(*names):
    return {name: torch.ones(1, 1) for name in ("conv1.weight", *names)}


@pytest.mark.parametrize(
    ("state", "words", "sentence"),
    [
        (None, [], "does not exist"),
        ({}, [], "holds no weights by name"),
        (weights("layer1.0.se.fc1.weight"), [], r"layer1\.0\.se\.fc1\.weight is no tensor of a"),
        (weights("fc.weight"), ["--to", "mmseg"], r"fc\.weight has no place in a ResNet of mmseg"),
        (weights("layer1.0.downsample.2.bias"), ["--from", "timm"], "has no place in a ResNet of"),
        (weights("layer1.snr.trust.seen"), ["--to", "microsoft_snr"], "seen has no place"),
        (
            {"backbone.body.conv1.weight": torch.ones(1)},
            [],
            r"unless backbone\.body\. is taken away as a prefix; see --from-prefix",
        ),
        (weights(), ["--from-prefix", "body."], "no tensor is left that begins with 'body.'"),
        (weights(), ["--leave-out", "("], "is no regular expression"),
        (weights(), ["--out", "out.pkl"], "only Detectron2 reads .pkl"),
    ],
)
def test_bad_input_gets_one_sentence(state, words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if state is not None:
        torch.save(state, "in.pth")
    common = ["in.pth", "--from", "torchvision", "--to", "torchvision", "--out", "out.pth"]
    with pytest.raises(InputError, match=sentence) as error:
        convert(*common, *words)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("out*"))


def test_the_command_ends_with_one_sentence(command, tmp_path):
    words = ["--from", "timm", "--to", "mmseg", "--out", tmp_path / "out.pth"]
    done = command("tools/convert_checkpoint.py", "nowhere.pth", *words)
    assert done.returncode == 1
    assert done.stderr == "error: checkpoint nowhere.pth does not exist; name one that does\n"
