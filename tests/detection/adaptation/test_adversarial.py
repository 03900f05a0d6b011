"""One step of Domain Adaptive Faster R-CNN against the paper's formulas, written out."""

import logging

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("detectron2")

from detectron2.modeling import GeneralizedRCNN, build_model
from detectron2.modeling.roi_heads import Res5ROIHeads
from detectron2.utils.events import EventStorage

from snr_plugins.detection.adaptation.watch import DiscriminatorWatch
from snr_plugins.errors import InputError
from tests.detection.adaptation.models import C4, FPN, gradients, mixed, model_of, source, target
from tests.detection.test_models import config

WEIGHTS = {"image": 1.0, "instance": 1.0, "consistency": 0.1}


def vectors_of(heads, features, boxes):
    if isinstance(heads, Res5ROIHeads):
        return heads.res5(heads.pooler([features["res4"]], boxes)).mean(dim=[2, 3])
    maps = [features[f] for f in ("p2", "p3", "p4", "p5")]
    return heads.box_head(heads.box_pooler(maps, boxes))


def proposals_of_training(rpn, images, features):
    """As many as the RPN hands on in training, which its own forward asks boxes for."""
    maps = [features[f] for f in rpn.in_features]
    logits, deltas = rpn.rpn_head(maps)
    logits = [x.permute(0, 2, 3, 1).flatten(1) for x in logits]
    deltas = [x.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, -2) for x in deltas]
    return rpn.predict_proposals(rpn.anchor_generator(maps), logits, deltas, images.image_sizes)


def textbook(model):
    """Losses of the detector, and the three of the domains; no gradient is scaled anywhere."""
    heads, rpn = model.roi_heads, model.proposal_generator
    images = model.preprocess_image(source())
    truth = [x["instances"] for x in source()]
    features = model.backbone(images.tensor)
    proposals, losses = rpn(images, features, truth)
    sampled = heads.label_and_sample_proposals(proposals, truth)
    vectors = vectors_of(heads, features, [p.proposal_boxes for p in sampled])
    losses |= heads.box_predictor.losses(heads.box_predictor(vectors), sampled)
    domains = [(1.0, images, features, vectors, [len(p) for p in sampled])]

    images = model.preprocess_image(target())
    features = model.backbone(images.tensor)
    with torch.no_grad():
        proposals = proposals_of_training(rpn, images, features)
    boxes = [p.proposal_boxes[torch.randperm(len(p))[:16]] for p in proposals]
    counts = [len(b) for b in boxes]
    domains.append((0.0, images, features, vectors_of(heads, features, boxes), counts))

    found = {name: 0.0 for name in WEIGHTS}
    for label, images, features, vectors, counts in domains:
        rois = torch.cat([torch.full((n,), i) for i, n in enumerate(counts)])
        layers = model.instance_classifier.network
        hidden = F.relu(F.linear(vectors, layers[0].weight, layers[0].bias))
        hidden = F.relu(F.linear(hidden, layers[3].weight, layers[3].bias))
        p = torch.sigmoid(F.linear(hidden, layers[6].weight, layers[6].bias))[:, 0]
        found["instance"] += -(label * p.log() + (1 - label) * (1 - p).log()).mean() / 2
        names = list(model.image_classifiers)
        for name in names:
            layers = model.image_classifiers[name].network
            stride = model.backbone.output_shape()[name].stride
            for i, (height, width) in enumerate(images.image_sizes):
                x = features[name][i, :, : -(-height // stride), : -(-width // stride)].flatten(1)
                hidden = F.relu(layers[0].weight.flatten(1) @ x + layers[0].bias[:, None])
                q = torch.sigmoid(layers[2].weight.flatten(1) @ hidden + layers[2].bias[:, None])
                entropy = -(label * q.log() + (1 - label) * (1 - q).log()).mean()
                found["image"] += entropy / len(images.image_sizes) / len(names) / 2
                distance = (q.mean() - p[rois == i]).abs().sum() / len(p)
                found["consistency"] += distance / len(names) / 2
    return losses, found


@pytest.mark.parametrize("path", [C4, FPN], ids=["C4", "FPN"])
def test_one_step_equals_the_textbook(path):
    """Classifiers get the gradient of the losses; all else that of the detector's minus a tenth of
    the two adversarial losses plus a tenth of the consistency."""
    model = model_of(
        f"{path}_da", "MODEL.RPN.POST_NMS_TOPK_TEST", 3, "MODEL.RPN.PRE_NMS_TOPK_TEST", 5
    )
    torch.manual_seed(1)
    with EventStorage():
        detector, domain = textbook(model)
    torch.manual_seed(1)
    with EventStorage():
        losses = model(mixed())
    for name, value in detector.items():
        torch.testing.assert_close(losses[name], value)
    for name, weight in WEIGHTS.items():
        torch.testing.assert_close(losses[f"loss_domain_{name}"], weight * domain[name])
    sum(losses.values()).backward()

    adversarial = domain["image"] + domain["instance"]
    agreement = 0.1 * domain["consistency"]
    named = {n: p for n, p in model.named_parameters() if p.requires_grad}
    theirs = {n: p for n, p in named.items() if "classifier" in n}
    others = {n: p for n, p in named.items() if "classifier" not in n}
    expected = {}
    for part, loss in (
        (theirs, adversarial + agreement),
        (others, sum(detector.values()) - 0.1 * adversarial + 0.1 * agreement),
    ):
        parts = torch.autograd.grad(loss, list(part.values()), retain_graph=True)
        expected |= dict(zip(part, parts, strict=True))
    found = gradients(model)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = float(gradient.abs().max()) + 1e-8
        torch.testing.assert_close(found[name], gradient, atol=2e-4 * scale, rtol=1e-3)


def test_each_level_has_a_classifier_that_learns():
    model = model_of(f"{FPN}_da")
    assert list(model.image_classifiers) == ["p2", "p3", "p4", "p5", "p6"]
    with EventStorage() as storage:
        sum(model(mixed()).values()).backward()
    for classifier in (*model.image_classifiers.values(), model.instance_classifier):
        for parameter in classifier.parameters():
            assert parameter.grad is not None
        assert classifier.network[-1].weight.grad.abs().sum() > 0
    logged = {name for name in storage.latest() if name.startswith("adaptation/")}
    for name in (*(f"image_p{i}" for i in range(2, 7)), "instance"):
        assert {f"adaptation/accuracy_{name}", f"adaptation/alignment_{name}"} <= logged


def test_restitution_sees_the_source_alone():
    model = model_of(f"{FPN}_da_snr")
    plain = build_model(config(f"{FPN}_snr.yaml", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16))
    results = []
    for detector, inputs in ((model, mixed()), (plain.train(), source())):
        detector.load_state_dict(model.state_dict(), strict=False)
        torch.manual_seed(2)
        with EventStorage():
            results.append(detector(inputs))
    adapted, alone = results
    for name, value in alone.items():
        torch.testing.assert_close(adapted[name], value)
    assert set(adapted) - set(alone) == {f"loss_domain_{name}" for name in WEIGHTS}


def test_trust_learns_the_styles_of_both_domains():
    model = model_of(f"{FPN}_da_snr")
    with EventStorage():
        model(mixed())
    assert model.backbone.bottom_up.res2.snr.trust.seen[0] == 4


@pytest.mark.parametrize("part", ["image", "instance"])
def test_either_classifier_alone(part):
    other = "INSTANCE" if part == "image" else "IMAGE"
    keys = [f"MODEL.DOMAIN_ADVERSARIAL.{name}_WEIGHT" for name in (other, "CONSISTENCY")]
    model = model_of(f"{C4}_da", keys[0], 0.0, keys[1], 0.0)
    with EventStorage():
        losses = model(mixed())
    assert {n for n in losses if "domain" in n} == {f"loss_domain_{part}"}
    with pytest.raises(InputError, match="CONSISTENCY_WEIGHT compares both classifiers"):
        model_of(f"{C4}_da", keys[0], 0.0)


def test_answers_as_the_plain_detector_does():
    model = model_of(f"{FPN}_da").eval()
    inputs = [{"image": x["image"]} for x in target()]
    with torch.no_grad():
        expected = GeneralizedRCNN.inference(model, inputs)
        for got, theirs in zip(model(inputs), expected, strict=True):
            assert torch.equal(got["instances"].scores, theirs["instances"].scores)


def test_a_batch_of_one_domain_is_refused():
    model = model_of(f"{C4}_da")
    with pytest.raises(InputError, match="2 images of a source and 0 of a target"), EventStorage():
        model(source())


def test_unknown_heads_are_named():
    keys = ("MODEL.ROI_HEADS.NAME", "CascadeROIHeads", "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG")
    with pytest.raises(InputError, match="CascadeROIHeads: the classifier of RoIs knows Res5ROI"):
        model_of(f"{FPN}_da", *keys, True)


def test_a_frozen_and_a_collapsed_classifier_are_warned_of(caplog):
    looks = 20
    watch = DiscriminatorWatch(looks)
    logging.getLogger("detectron2").propagate = True
    with caplog.at_level(logging.WARNING):
        for look in range(looks):
            assert not caplog.records
            watch.see(20 * look, {"image": 0.6931, "instance": 0.6931 if look % 9 else 0.5})
        (record,) = caplog.records
        assert "image classifier's loss is still 0.693" in record.message
        assert "MODEL.DOMAIN_ADVERSARIAL.IMAGE_LR_FACTOR" in record.message
        for look in range(looks):
            watch.see(20 * look, {"image": 0.6931, "instance": 0.01})
    assert len(caplog.records) == 2
    assert "instance classifier's loss is 0.010" in caplog.records[1].message


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("method", ["da", "mean_teacher"])
def test_batch_norm_keeps_the_targets_statistics_or_a_mixture(method, alone):
    keys = ("MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", 0)
    keys += ("MODEL.TARGET_STATISTICS", alone, "MODEL.MEAN_TEACHER.BURN_IN", 0)
    model = model_of(f"{C4}_{method}", *keys)
    seen = []
    norm = model.backbone.stem.conv1.norm
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    with EventStorage():
        model(mixed())
    # source and target; of the teacher's student with ``alone`` source, target and strong views
    means = seen[1:2] if alone else seen
    running = torch.zeros_like(norm.running_mean)
    for mean in means:
        running = 0.9 * running + 0.1 * mean.detach()
    torch.testing.assert_close(norm.running_mean, running)
    assert norm.momentum == 0.1 and len(seen) == 2 + (alone and method == "mean_teacher")


@pytest.mark.parametrize("reached", [True, False])
def test_norms_of_heads_that_the_target_does_not_reach_keep_the_sources(reached):
    keys = ["MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", 0]
    for name in () if reached else ("IMAGE", "INSTANCE", "CONSISTENCY"):
        keys += [f"MODEL.DOMAIN_ADVERSARIAL.{name}_WEIGHT", 0.0]
    model = model_of(f"{C4}_da", *keys)
    seen = []
    norm = model.roi_heads.res5[0].conv1.norm
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    with EventStorage():
        model(mixed())
    assert len(seen) == 1 + reached
    torch.testing.assert_close(norm.running_mean, 0.1 * seen[-1].detach())


def test_a_map_that_is_none_and_a_factor_of_nothing():
    with pytest.raises(InputError, match="FEATURES names p7; the backbone's maps are p2, p3"):
        model_of(f"{FPN}_da", "MODEL.DOMAIN_ADVERSARIAL.FEATURES", ["p2", "p7"])
    with pytest.raises(InputError, match="factor of a domain classifier is 0.0"):
        model_of(f"{C4}_da", "MODEL.DOMAIN_ADVERSARIAL.IMAGE_LR_FACTOR", 0.0)


@pytest.mark.parametrize("method", ["da", "mean_teacher_snr"])
def test_mixed_precision(method):
    keys = ("MODEL.MEAN_TEACHER.BURN_IN", 0, "MODEL.MEAN_TEACHER.THRESHOLD", 0.12)
    model = model_of(f"{C4}_{method}", *keys)
    with EventStorage(), torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model(mixed())
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all()
        for name, p in model.named_parameters()
        if p.requires_grad and "gate" not in name
    )
