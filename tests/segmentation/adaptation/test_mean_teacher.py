"""Steps of the mean teacher against a textbook of two networks."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS
from torch.optim import SGD

from snr_plugins.errors import InputError
from snr_plugins.nn.strong_view import StrongView
from tests.segmentation.adaptation.batches import adapting, mixed_batch, processed
from tests.segmentation.networks import build, randomise_norms

RATE, MOMENTUM, THRESHOLD = 0.1, 0.4, 0.3


def model_of(snr=False, **options):
    options = {"threshold": THRESHOLD, "momentum": MOMENTUM, "auxiliary_head": None, **options}
    return randomise_norms(build(adapting("MeanTeacher", snr, **options))).train()


def scores(network, images):
    out = network.decode_head(network.backbone(images))
    return F.interpolate(out, images.shape[2:], mode="bilinear")


def textbook_step(student, teacher, step):
    """Tarvainen and Valpola with pseudo-labels; ``student`` and ``teacher`` are EncoderDecoders."""
    kept = min(MOMENTUM, step / (step + 1))
    with torch.no_grad():
        for own, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
            own.mul_(kept).add_((1 - kept) * theirs)
        for own, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
            own.copy_(theirs)
    inputs, samples = processed(student)
    labels = torch.cat([s.gt_sem_seg.data for s in samples["source"]])
    z = scores(student, inputs["source"])
    loss = F.cross_entropy(z, labels, ignore_index=255, reduction="sum") / labels.numel()
    teacher.eval()
    with torch.no_grad():
        p, pseudo = scores(teacher, inputs["target"]).softmax(1).max(1)
    sure = p > THRESHOLD
    assert 0 < sure.sum() < sure.numel()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([120.0, 110, 100], [60.0, 50, 70]))
    strong = (StrongView()(inputs["target"] * std + mean) - mean) / std
    each = F.cross_entropy(scores(student, strong), pseudo, reduction="none")
    loss = loss + (each * sure).sum() / sure.numel()
    student.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in student.parameters():
            parameter -= RATE * parameter.grad
    return loss.detach(), sure.float().mean()


def test_three_steps_are_the_textbooks():
    ours = model_of()
    student = copy.deepcopy(ours)
    student.teacher = None
    teacher = copy.deepcopy(student)
    wrapper = OptimWrapper(SGD(ours.parameters(), lr=RATE))
    for step in range(3):
        torch.manual_seed(step)
        logged = ours.train_step(mixed_batch(), wrapper)
        torch.manual_seed(step)
        mixed_batch()  # draws as many numbers, so that the strong views are the same
        loss, labelled = textbook_step(student, teacher, step)
        torch.testing.assert_close(logged["loss"], loss)
        torch.testing.assert_close(logged["target_labelled"], labelled)
    expected = student.state_dict()
    for name, own in ours.state_dict().items():
        if not name.startswith("teacher."):
            torch.testing.assert_close(own, expected[name], msg=name)
    for (name, own), theirs in zip(
        ours.teacher.module.named_parameters(), teacher.parameters(), strict=True
    ):
        torch.testing.assert_close(own, theirs, msg=name)


def trained(**options):
    model = model_of(**options)
    wrapper = OptimWrapper(SGD(model.parameters(), lr=RATE))
    for _ in range(3):
        model.train_step(mixed_batch(), wrapper)
    return model.eval()


@pytest.mark.parametrize("who", ["teacher", "student"])
def test_who_is_tested(who):
    model = trained(test_with=who)
    images = processed(model)[0]["target"]
    tested = model.teacher.module if who == "teacher" else model
    with torch.no_grad():
        expected = scores(tested, images)
        other = scores(model if who == "teacher" else model.teacher.module, images)
        got = torch.stack([s.seg_logits.data for s in model.predict(images)])
    torch.testing.assert_close(got, expected)
    assert (got - other).abs().max() > 1e-3


def test_before_training_the_student_is_tested():
    """As with a checkpoint of the source alone, in which there is no teacher."""
    model = model_of().eval()
    with torch.no_grad():
        model.decode_head.conv_seg.bias += 1
        got = torch.stack([s.seg_logits.data for s in model.predict(torch.ones(1, 3, 64, 64))])
        expected = scores(model, torch.ones(1, 3, 64, 64))
    torch.testing.assert_close(got, expected)


def test_a_checkpoint_goes_on_as_if_nothing_had_happened():
    model = trained().train()
    other = model_of().train()
    other.load_state_dict(model.state_dict())
    for network in (model, other):
        torch.manual_seed(0)
        network.train_step(mixed_batch(), OptimWrapper(SGD(network.parameters(), lr=RATE)))
    for (name, own), theirs in zip(
        model.state_dict().items(), other.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(own, theirs, msg=name)


def test_the_target_weight_scales_its_loss():
    values = []
    for weight in (1.0, 0.5, 0.0):
        model = model_of(target_weight=weight)
        torch.manual_seed(0)
        values.append(model.loss(*processed(model))["loss_target"])
    assert values[0] > 0
    torch.testing.assert_close(torch.stack(values), values[0] * torch.tensor([1.0, 0.5, 0.0]))


def test_padding_gets_no_labels():
    model = model_of(threshold=0.0)
    losses = model.loss(*processed(model, mixed_batch(2, width=32)))
    assert losses["target_labelled"] == 1  # of the pixels that are the image's


def test_with_snr_distances_come_from_who_is_tested():
    model = trained(snr=True)
    assert len(model.snr_losses) == 3
    samples = model.predict(processed(model)[0]["target"])
    names = {"backbone.layer1.snr", "backbone.layer2.snr", "backbone.layer3.snr"}
    assert samples[0].metainfo["style_distance"].keys() == names
    # the student's style of the target is that of its strong view
    assert model.backbone.layer1.snr.trust.seen[0] == 12


def test_neither_teacher_nor_student():
    with pytest.raises(InputError, match="test_with='both': choose teacher or student"):
        model_of(test_with="both")


def test_a_threshold_that_no_probability_reaches():
    with pytest.raises(InputError, match="threshold=90; probabilities are from 0 to 1"):
        model_of(threshold=90)


def test_a_head_with_more_than_scores_is_named():
    """EncHead hands its loss on whole images beside the scores."""
    head = {"type": "EncHead", "in_channels": [32, 32], "in_index": (2, 3), "num_codes": 4}
    model = model_of()
    options = {"channels": 16, "num_classes": 5, "norm_cfg": {"type": "BN"}}
    head = MODELS.build({**head, **options}).train()
    features = [torch.rand(2, 32, 8, 8) for _ in range(4)]
    with pytest.raises(InputError, match="EncHead puts out more than scores in training"):
        model.scores(head, features, torch.rand(2, 3, 16, 16))
