"""SNR inside Detectron2's own models, built from the configs that users run."""

import copy
import logging
import re

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.layers import ROIAlign
from detectron2.modeling import build_model
from detectron2.solver import build_optimizer
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from snr_plugins.detection import add_snr_config
from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, WithStyleDistance, find_snr, style_distances, textbook

CONFIGS = "configs/detection/"
SMALL = [
    "MODEL.DEVICE", "cpu", "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.WEIGHTS", "",
    "MODEL.RESNETS.STEM_OUT_CHANNELS", 16, "MODEL.RESNETS.WIDTH_PER_GROUP", 16,
]  # fmt: skip
FPN = CONFIGS + "faster_rcnn_R_50_FPN_cityscapes_to_foggy_snr.yaml"
C4 = CONFIGS + "faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml"


def config(path, *overrides):
    cfg = get_cfg()
    add_snr_config(cfg)
    cfg.merge_from_file(path)
    cfg.merge_from_list([*SMALL, *overrides])
    return cfg


def batch():
    """Two images of different size, three boxes in all."""
    torch.manual_seed(0)
    inputs = []
    for height, width, boxes, classes in (
        (96, 160, [[8.0, 8, 60, 70], [30, 20, 150, 90]], [2, 5]),
        (128, 128, [[40.0, 10, 100, 120]], [0]),
    ):
        truth = Instances((height, width))
        truth.gt_boxes, truth.gt_classes = Boxes(torch.tensor(boxes)), torch.tensor(classes)
        inputs.append({"image": 255 * torch.rand(3, height, width), "instances": truth})
    return inputs


@pytest.mark.parametrize(
    ("path", "overrides", "names"),
    [
        (C4, [], ["res2", "res3", "res4"]),
        (C4, ["MODEL.SNR.STAGES", ["res3"]], ["res3"]),
        (FPN, [], ["bottom_up.res2", "bottom_up.res3", "bottom_up.res4"]),
        (
            FPN,
            ["MODEL.SNR.NECK", True, "MODEL.SNR.STAGES", []],
            ["fpn_output2", "fpn_output3", "fpn_output4", "fpn_output5"],
        ),
    ],
    ids=["C4", "C4-one-stage", "FPN", "FPN-neck"],
)
def test_trains_every_snr(path, overrides, names):
    cfg = config(path, *overrides)
    torch.manual_seed(0)  # in some draws every hidden unit of a gate is dead
    model = build_model(cfg).train()
    assert list(find_snr(model.backbone)) == [f"{name}.snr" for name in names]
    optimizer = build_optimizer(cfg, model)
    optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
    with EventStorage():
        losses = model(batch())
    assert {"loss_snr_restitution", "loss_snr_probe"} < set(losses)
    sum(losses.values()).backward()
    new = [*find_snr(model).values(), *model.snr_losses.values()]
    for parameter in (p for module in new for p in module.parameters()):
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert id(parameter) in optimized
    for snr in find_snr(model).values():
        assert snr.gate.fc2.weight.grad.abs().sum() > 0
        assert snr.norm.weight.grad.abs().sum() > 0


def test_loss_equals_textbook_on_pooled_boxes():
    """Box features of full F~, F~+, F~- maps, against the loss that never computes those maps."""
    model = build_model(config(FPN, "MODEL.SNR.STAGES", ["res3"])).train()
    snr = model.backbone.bottom_up.res3.snr
    maps = []
    snr.register_forward_hook(lambda module, args, _out: maps.append(args[0].detach()))
    inputs = batch()
    with EventStorage():
        losses = model(inputs)
    boxes = [x["instances"].gt_boxes.tensor for x in inputs]
    rois = torch.cat([torch.cat([b.new_full((len(b), 1), i), b], 1) for i, b in enumerate(boxes)])
    pool = ROIAlign(1, 1 / 8, 14, aligned=True)  # res3 has stride 8
    probe = model.snr_losses["bottom_up_res3"].probe
    logits = [probe(pool(f, rois).flatten(1)) for f in textbook.features(snr, maps[0])]
    restitution = textbook.ranking(*[textbook.entropy(z) for z in logits])
    labels = torch.cat([x["instances"].gt_classes for x in inputs])
    supervised = torch.nn.functional.cross_entropy(logits[1], labels)
    torch.testing.assert_close(losses["loss_snr_restitution"], 0.01 * restitution)
    torch.testing.assert_close(losses["loss_snr_probe"], 0.01 * supervised)


def test_images_without_boxes_train():
    inputs = batch()
    for x in inputs:
        x["instances"] = x["instances"][:0]
    model = build_model(config(FPN)).train()
    with EventStorage():
        losses = model(inputs)
    assert losses["loss_snr_restitution"] == 0
    sum(losses.values()).backward()
    assert find_snr(model)["backbone.bottom_up.res2.snr"].gate.fc1.weight.grad is not None


def test_zero_weights_switch_the_loss_off():
    model = build_model(config(FPN, "MODEL.SNR.LOSS_WEIGHT", 0.0, "MODEL.SNR.PROBE_WEIGHT", 0.0))
    with EventStorage():
        losses = model.train()(batch())
    assert not [key for key in losses if "snr" in key]
    assert not [key for key in model.state_dict() if "snr_losses" in key]


def test_diagnostics_go_to_the_storage_not_into_the_loss():
    model = build_model(config(FPN)).train()
    with EventStorage() as storage:
        losses = model(batch())
    assert "snr/bottom_up_res2/entropy_enhanced" in storage.histories()
    assert not [key for key in losses if "entropy" in key]


def test_freeze_at_leaves_snr_trainable():
    model = build_model(config(FPN, "MODEL.BACKBONE.FREEZE_AT", 3))
    stage = model.backbone.bottom_up.res3
    model.backbone.bottom_up.freeze(3)  # again, now that SNR is inside
    assert isinstance(stage.snr, SNR)
    for name, parameter in stage.named_parameters():
        assert parameter.requires_grad == name.startswith("snr."), name


def test_open_gates_give_the_plain_detector():
    """Anybody's trained detector can start an SNR model without loss."""
    cfg = config(FPN, "MODEL.SNR.GATE_BIAS", 50.0)
    snr_model = build_model(cfg).eval()
    plain_cfg = cfg.clone()
    plain_cfg.MODEL.META_ARCHITECTURE = "GeneralizedRCNN"
    plain_cfg.MODEL.BACKBONE.NAME = "build_resnet_fpn_backbone"
    plain = build_model(plain_cfg).eval()
    missing = snr_model.load_state_dict(plain.state_dict(), strict=False)
    assert not missing.unexpected_keys
    assert all(".snr." in key or key.startswith("snr_losses") for key in missing.missing_keys)
    x = torch.randn(1, 3, 64, 96)
    for name, expected in plain.backbone(x).items():
        difference = (snr_model.backbone(x)[name] - expected).abs().max()
        assert difference <= 1e-5 * expected.abs().max()


def test_checkpoint_round_trip(tmp_path):
    model = build_model(config(C4)).eval()
    with torch.no_grad():
        for snr in find_snr(model).values():
            snr.norm.bias.normal_()
    DetectionCheckpointer(model, str(tmp_path)).save("model")
    other = build_model(config(C4)).eval()
    DetectionCheckpointer(other).load(str(tmp_path / "model.pth"))
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(other.backbone(x)["res4"], model.backbone(x)["res4"])


@pytest.mark.parametrize(
    ("prefix", "expected"), [("backbone.", "covers 159 of"), ("body.", "DID NOT LOAD.*covers 0 of")]
)
def test_coverage_of_pretrained_weights_is_reported(tmp_path, caplog, prefix, expected):
    """An extra prefix loads nothing, and Detectron2 goes on; we say so."""
    model = build_model(config(FPN))
    weights = {
        key.replace("backbone.", prefix, 1): value
        for key, value in model.state_dict().items()
        if ".snr." not in key
    }
    torch.save({"model": weights}, tmp_path / "weights.pth")
    logging.getLogger("detectron2").propagate = True
    with caplog.at_level(logging.INFO):
        DetectionCheckpointer(model).load(str(tmp_path / "weights.pth"))
    records = [r.getMessage() for r in caplog.records if r.name == "detectron2.snr_plugins"]
    messages = [message for message in records if "SNR tensors" not in message]
    assert len(messages) == 1
    assert re.search(expected, messages[0]), messages[0]


def test_a_failed_step_leaves_no_graph_behind():
    model = build_model(config(C4)).train()
    inputs = batch()
    inputs[1]["instances"].remove("gt_classes")
    with EventStorage(), pytest.raises(AttributeError):
        model(inputs)
    copy.deepcopy(model)


def test_grey_images():
    cfg = config(FPN, "MODEL.PIXEL_MEAN", [100.0], "MODEL.PIXEL_STD", [1.0])
    assert len(find_snr(build_model(cfg))) == 3


def test_missing_snr_tensors_are_reported(caplog):
    """Evaluating an SNR config on a plain checkpoint scores a random SNR."""
    model = build_model(config(C4))
    plain = {key: value for key, value in model.state_dict().items() if ".snr." not in key}
    logging.getLogger("detectron2").propagate = True
    with caplog.at_level(logging.WARNING):
        model.load_state_dict(plain, strict=False)
    assert "lacks 30 SNR tensors" in caplog.text


def test_exported_backbone_has_the_same_output():
    torch.manual_seed(0)
    model = build_model(config(C4)).eval()
    x = torch.randn(1, 3, 64, 64)
    # The output is a dict; Detectron2's modules compute shapes in Python, so no graph check either.
    options = {"strict": False, "check_trace": False}
    traced = torch.jit.trace(model.backbone, torch.zeros(1, 3, 96, 96), **options)
    # the trace holds the formulas, not the faster forms: the same up to rounding
    got, expected = traced(x)["res4"], model.backbone(x)["res4"]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)


def test_traced_backbone_hands_out_style_distances():
    torch.manual_seed(0)
    model = build_model(config(C4))
    for _ in range(5):
        model.backbone(torch.randn(16, 3, 64, 64))
    model.eval()
    x = torch.cat([torch.randn(1, 3, 64, 64), 9 + torch.randn(1, 3, 64, 64)])
    with torch.no_grad(), style_distances(model.backbone) as distances:
        model.backbone(x)
    module = WithStyleDistance(model.backbone)
    options = {"strict": False, "check_trace": False}  # as above
    _, found = torch.jit.trace(module, torch.zeros(1, 3, 96, 96), **options)(x)
    assert module.names == list(distances)
    expected = torch.stack([passes[0] for passes in distances.values()], 1)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert found[1].min() > 3 * found[0].max()


def test_copies_after_a_training_step():
    """Model averaging deep-copies; no graph may be left hanging on the modules."""
    model = build_model(config(C4)).train()
    with EventStorage():
        model(batch())
    copy.deepcopy(model)


@pytest.mark.parametrize(
    ("path", "overrides", "message"),
    [
        (C4, ["MODEL.SNR.STAGES", ["res5"]], "MODEL.SNR.STAGES.*no stage 'res5'.*res2, res3, res4"),
        (C4, ["MODEL.SNR.REDUCTION", 0], "MODEL.SNR.STAGES.*reduction 0 must be 1 or more"),
        (C4, ["MODEL.SNR.NECK", True], "MODEL.SNR.NECK needs an FPN"),
        (FPN, ["MODEL.BACKBONE.NAME", "build_resnet_fpn_backbone"], "has no SNR.*BACKBONE.NAME"),
    ],
)
def test_wrong_config_is_named(path, overrides, message):
    with pytest.raises(InputError, match=message):
        build_model(config(path, *overrides))


def test_each_detection_has_its_images_style_distance():
    """Of the image alone: the streets are like those of training, the night is not."""
    torch.manual_seed(0)
    model = build_model(config(C4)).train()
    with EventStorage():
        for _ in range(70):
            for snr in find_snr(model).values():  # what the stages would put out, quickly
                snr(torch.rand(2, snr.channels, 4, 4) + torch.rand(2, snr.channels, 1, 1))
    model.eval()
    with torch.no_grad():
        x = [{"image": torch.full((3, 64, 64), value)} for value in (120.0, 0.0)]
        both, second = model(x), model(x[1:])
    names = list(find_snr(model.backbone))
    assert [list(output["style_distance"]) for output in both] == [names, names]
    for name in names:
        distance = both[1]["style_distance"][name]
        torch.testing.assert_close(distance, second[0]["style_distance"][name], rtol=1e-4, atol=0)
        assert distance != both[0]["style_distance"][name] and torch.isfinite(distance)
