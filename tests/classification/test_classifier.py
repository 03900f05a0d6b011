"""The classifier's two losses, beside MMPretrain's own, on any of its backbones."""

import pytest
import torch

pytest.importorskip("mmpretrain")

from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import snr_plugins.classification  # noqa: F401  registers
from snr_plugins.errors import InputError
from snr_plugins.nn import SNR, find_snr, observed

BACKBONES = {
    "MobileNetV2": (dict(type="MobileNetV2", widen_factor=0.25), ["layer2", "layer3"], 1280),
    "ResNet": (dict(type="ResNet", depth=18, base_channels=8, stem_channels=8), ["layer1"], 64),
    "RegNet": (dict(type="RegNet", arch="regnetx_400mf"), ["layer1", "layer2"], 384),
}


def build(name="ResNet", **options):
    backbone, after, channels = BACKBONES[name]
    cfg = dict(
        type="SNRImageClassifier",
        backbone=dict(type="SNRBackbone", backbone=backbone, after=after, reduction=4),
        neck=dict(type="GlobalAveragePooling"),
        head=dict(type="LinearClsHead", num_classes=3, in_channels=channels),
    )
    cfg |= options
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg)


LABELS = [2, 0, 1, 0]


def samples():
    return [DataSample().set_gt_label(label) for label in LABELS]


@pytest.mark.parametrize("name", BACKBONES)
def test_the_losses_are_those_of_the_papers_formula_on_pooled_maps(name):
    """F~, F~+ and F~- as whole maps, pooled, through each probe."""
    model = build(name, snr_loss_weight=0.5, snr_probe_weight=0.25).train()
    images = torch.rand(4, 3, 32, 32)
    seen = {}
    with observed(find_snr(model), lambda at, what: seen.update({at: maps(what)})):
        model.backbone(images)
    restitution, probe = 0, 0
    for probe_loss, (normalised, enhanced, contaminated) in zip(
        model.snr_losses.values(), seen.values(), strict=True
    ):
        logits = [probe_loss.probe(m.mean((2, 3))) for m in (enhanced, normalised, contaminated)]
        p = [z.softmax(1) for z in logits]
        h_plus, h, h_minus = (-(q * q.log()).sum(1) for q in p)
        soft = torch.nn.functional.softplus
        restitution += (soft(h_plus - h) + soft(h - h_minus)).mean()
        probe += torch.nn.functional.cross_entropy(logits[0], torch.tensor(LABELS))
    losses = model.loss(images, samples())
    torch.testing.assert_close(losses["loss_snr_restitution"], 0.5 * restitution)
    torch.testing.assert_close(losses["loss_snr_probe"], 0.25 * probe)
    assert losses["loss"] > 0


def maps(seen):
    """The three maps of what an SNR showed."""
    found = []
    for affine in seen.coefficients[1:]:
        centred = seen.features - seen.coefficients.mean[:, :, None, None]
        found.append(affine.scale[:, :, None, None] * centred + affine.centre[:, :, None, None])
    return found


def test_without_weights_it_is_the_classifiers_own_loss():
    model = build(snr_loss_weight=0, snr_probe_weight=0).train()
    assert set(model.loss(torch.rand(4, 3, 32, 32), samples())) == {"loss"}


def test_a_step_teaches_probes_and_gates():
    model = build().train()
    sum(model.loss(torch.rand(4, 3, 32, 32), samples()).values()).backward()
    for module in [*find_snr(model).values(), *model.snr_losses.values()]:
        grads = [p.grad for p in module.parameters() if p.requires_grad]
        assert any(g is not None and g.abs().sum() > 0 for g in grads)


def test_samples_say_how_far_their_style_is():
    model = build().train()
    with torch.no_grad():
        for _ in range(30):  # until a distance has been learned
            model.backbone(torch.rand(8, 3, 32, 32))
    found = model.eval().predict(torch.rand(4, 3, 32, 32), samples())
    assert [len(sample.pred_score) for sample in found] == [3] * 4
    (name,) = find_snr(model)
    assert all(sample.style_distance[name] > 0 for sample in found)


def test_the_backbone_is_the_frameworks_own_with_its_keys():
    backbone, after, _ = BACKBONES["MobileNetV2"]
    model = build("MobileNetV2")
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        plain = MODELS.build(backbone)
    assert type(model.backbone) is type(plain)
    lacking = plain.state_dict().keys() - model.backbone.state_dict().keys()
    assert not lacking
    assert [type(snr) for snr in find_snr(model).values()] == [SNR] * len(after)


def test_a_backbone_without_snr_and_mixed_labels_are_refused():
    with pytest.raises(InputError, match="the backbone has no SNR; set backbone to dict"):
        build(backbone=BACKBONES["ResNet"][0])
    with pytest.raises(InputError, match="augments mixes the labels of images"):
        build(train_cfg=dict(augments=[dict(type="Mixup", alpha=0.8)]))
