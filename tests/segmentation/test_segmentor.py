"""The restitution loss inside MMSegmentation's segmentors."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub

from snr_plugins.errors import InputError
from snr_plugins.nn import find_snr, textbook
from snr_plugins.nn.affine import statistics
from tests.segmentation.networks import (
    BACKBONE,
    HEAD,
    RESNET,
    SNR,
    WIDTHS,
    build,
    images,
    randomise_norms,
    samples,
    segmentor,
)

NECK = {"type": "SNRNeck", "in_channels": WIDTHS, "in_indices": [3], "snr": SNR}


def random_model(config):
    """In training, with SNRs and probes away from their start: every parameter must matter."""
    model = randomise_norms(build(config)).train()
    with torch.no_grad():
        for module in [*find_snr(model).values(), *model.snr_losses.values()]:
            for parameter in module.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("ignored", [255, 0])
@pytest.mark.parametrize(
    ("changes", "probes"),
    [
        ({}, {"backbone_layer1": 4, "backbone_layer2": 8, "backbone_layer3": 16}),
        ({"backbone": {**BACKBONE, "snr_stages": ["layer1"]}}, {"backbone_layer1": 4}),
        ({"backbone": RESNET, "neck": NECK}, {"neck_snr_3": 32}),
        (
            {"backbone": {**BACKBONE, "snr_stages": ["layer2"]}, "neck": NECK},
            {"backbone_layer2": 8, "neck_snr_3": 32},
        ),
    ],
    ids=["three-stages", "one-stage", "neck", "stage-and-neck"],
)
def test_loss_equals_textbook_at_every_pixel(changes, probes, ignored):
    """Full F~, F~+ and F~- maps, a probe at each pixel, labels picked at the feature's stride."""
    head = {**HEAD, "ignore_index": ignored}
    weights = {"snr_loss_weight": 0.5, "snr_probe_weight": 0.25}
    model = random_model(segmentor(**changes, **weights, decode_head=head))
    assert set(model.snr_losses) == set(probes)
    maps = []
    for snr in find_snr(model).values():
        snr.register_forward_hook(lambda module, args, _: maps.append((module, args[0].detach())))
    truth = samples(void=ignored)
    losses = model.loss(images(), truth)
    labels = torch.cat([sample.gt_sem_seg.data for sample in truth])
    restitution, supervised = 0, 0
    for (snr, x), (key, stride) in zip(maps, probes.items(), strict=True):
        probe = model.snr_losses[key].probe
        assert x.shape[2] == 64 // stride
        per_pixel = [probe(f.permute(0, 2, 3, 1)) for f in textbook.features(snr, x)]
        logits = [scores.permute(0, 3, 1, 2) for scores in per_pixel]
        entropies = [textbook.entropy(z).mean(dim=(1, 2)) for z in logits]
        restitution += textbook.ranking(*entropies)
        small = labels[:, ::stride, ::stride]
        assert 0 < (small == ignored).sum() < small.numel()
        supervised += F.cross_entropy(logits[1], small, ignore_index=ignored)
    torch.testing.assert_close(losses["loss_snr_restitution"], 0.5 * restitution)
    torch.testing.assert_close(losses["loss_snr_probe"], 0.25 * supervised)


def test_other_losses_are_the_segmentors_own():
    model = random_model(segmentor())
    truth = samples()
    ours = model.loss(images(), truth)
    features = model.extract_feat(images())
    expected = model.decode_head.loss(features, truth, None)
    assert set(ours) == {
        "loss_snr_restitution",
        "loss_snr_probe",
        *(f"decode.{k}" for k in expected),
    }
    torch.testing.assert_close(ours["decode.loss_ce"], expected["loss_ce"])


def test_batch_without_a_labelled_pixel():
    model = random_model(segmentor())
    truth = samples()
    for sample in truth:
        sample.gt_sem_seg.data.fill_(255)
    losses = model.loss(images(), truth)
    assert losses["loss_snr_probe"] == 0
    assert torch.isfinite(losses["loss_snr_restitution"])
    sum(value for name, value in losses.items() if "loss" in name).backward()
    for parameter in model.snr_losses.parameters():
        assert parameter.grad is not None


@pytest.mark.parametrize(("weight", "probe_weight", "count"), [(0.0, 0.0, 0), (0.0, 0.1, 2)])
def test_zero_weights(weight, probe_weight, count):
    model = build(segmentor(snr_loss_weight=weight, snr_probe_weight=probe_weight)).train()
    losses = model.loss(images(), samples())
    assert sum("snr" in name for name in losses) == count
    assert bool(len(model.snr_losses)) == bool(count)


def test_diagnostics_go_to_the_message_hub_not_into_the_loss():
    hub = MessageHub.get_instance("test_segmentor")
    model = random_model(segmentor())
    losses = model.loss(images(), samples())
    assert not [name for name in losses if "entropy" in name]
    for stage in (1, 2, 3):
        for feature in ("enhanced", "normalised", "contaminated"):
            value = hub.get_scalar(f"train/snr/backbone_layer{stage}/entropy_{feature}").current()
            assert 0 < value <= torch.log(torch.tensor(5.0))  # nats, of five classes


def test_a_failed_step_leaves_no_graph_behind():
    model = random_model(segmentor())
    model.decode_head.forward = None
    with pytest.raises(TypeError):
        model.loss(images(), samples())
    copy.deepcopy(model)


def test_copies_after_a_training_step():
    """Model averaging deep-copies; no graph may be left hanging on the modules."""
    model = random_model(segmentor())
    model.loss(images(), samples())
    copied = copy.deepcopy(model)
    # the copy trains its own SNRs, not those that it was copied from
    losses = copied.loss(images(), samples())
    (losses["loss_snr_restitution"] + losses["loss_snr_probe"]).backward()
    assert all(p.grad is not None for snr in find_snr(copied).values() for p in snr.parameters())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", ["SNREncoderDecoder", "SNRCascadeEncoderDecoder"])
def test_no_snr_is_named(name):
    stages = {"num_stages": 1, "decode_head": [HEAD]} if "Cascade" in name else {}
    with pytest.raises(InputError, match=f"^{name}: neither the backbone nor the neck .*SNRResNet"):
        build(segmentor(type=name, backbone=RESNET, **stages))


@pytest.mark.parametrize("mode", ["whole", "slide"])
def test_each_sample_has_its_images_style_distance(mode):
    """By hand from what the SNRs are given, averaged over the windows."""
    model = random_model(segmentor()).train()
    for snr in find_snr(model).values():
        for _ in range(70):
            snr(torch.rand(2, snr.channels, 4, 4) + torch.rand(2, snr.channels, 1, 1))
    model.eval()
    if mode == "slide":
        model.test_cfg = ConfigDict(mode="slide", crop_size=(32, 32), stride=(32, 32))
    given = {name: [] for name in find_snr(model)}
    for name, snr in find_snr(model).items():
        snr.register_forward_pre_hook(lambda m, x, name=name: given[name].append(x[0].clone()))
    streets = torch.randn(2, 3, 32, 64)
    with torch.no_grad():
        samples = model.predict(streets)
    for name, snr in find_snr(model).items():
        assert len(given[name]) == (2 if mode == "slide" else 1)
        ratios = [snr.trust.distance(*statistics(x)) / snr.trust.threshold() for x in given[name]]
        expected = torch.stack(ratios).mean(0).tolist()
        got = [sample.metainfo["style_distance"][name] for sample in samples]
        assert got == pytest.approx(expected, rel=1e-4)
