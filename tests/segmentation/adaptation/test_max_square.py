"""A step of MaxSquare against a textbook written out in plain torch."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from torch.optim import SGD

from snr_plugins.errors import InputError
from tests.segmentation.adaptation.batches import adapting, mixed_batch, processed
from tests.segmentation.networks import RESNET, build, randomise_norms, segmentor

RATE = 0.1


def model_of(**options):
    # every convolution's norm in use with fixed statistics, as the textbook below has it
    snr = options.pop("snr", False)
    return randomise_norms(build(adapting("MaxSquare", snr, **options))).train()


def upsampled(scores, like):
    return F.interpolate(scores, like.shape[2:], mode="bilinear", align_corners=False)


def textbook(model, batch, image_wise, multi_level, weight=0.1, t=0.95):
    """The source's cross-entropies and the target's losses, pixel for pixel as the paper's code."""
    inputs, samples = processed(model, batch)
    labels = torch.cat([s.gt_sem_seg.data for s in samples["source"]])
    features = model.backbone(inputs["source"])
    main = upsampled(model.decode_head(features), inputs["source"])
    aux = upsampled(model.auxiliary_head(features), inputs["source"])
    mean = labels.numel()  # MMSegmentation's own divides by all pixels, void ones too
    ce = [F.cross_entropy(z, labels, ignore_index=255, reduction="sum") / mean for z in (main, aux)]
    total = ce[0] + 0.4 * ce[1]
    features = model.backbone(inputs["target"])
    main = upsampled(model.decode_head(features), inputs["target"]).softmax(1)
    if image_wise:
        classes = main.argmax(1)
        loss = 0
        for p, own in zip(main, classes, strict=True):
            counts = torch.stack([(own == c).sum() for c in range(main.shape[1])]).float()
            w = 1 / (counts[own] ** 0.2 * own.numel() ** 0.8)
            loss = loss - (p.square() * w).sum() / (len(main) * main.shape[1])
    else:
        loss = -main.square().mean() / 2
    total = total + weight * loss
    if multi_level:
        aux_scores = upsampled(model.auxiliary_head(features), inputs["target"])
        p = aux_scores.softmax(1)
        pseudo = (main + p).argmax(1)
        kept = (main.max(1)[0] > t) | (p.max(1)[0] > t)
        assert 0 < kept.sum() < kept.numel()
        each = F.cross_entropy(aux_scores, pseudo, reduction="none")
        total = total + 0.1 * weight * each[kept].mean()
    return total


@pytest.mark.parametrize(
    ("image_wise", "multi_level"), [(False, False), (True, False), (True, True)]
)
def test_a_step_is_the_textbooks(image_wise, multi_level):
    ours = model_of(image_wise=image_wise, multi_level=multi_level, threshold=0.3)
    theirs = model_of()
    optimizer = SGD(ours.parameters(), lr=RATE)
    logged = ours.train_step(mixed_batch(), OptimWrapper(optimizer))
    loss = textbook(theirs, mixed_batch(), image_wise, multi_level, t=0.3)
    loss.backward()
    torch.testing.assert_close(logged["loss"], loss.detach())
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter -= RATE * parameter.grad
    for (name, own), other in zip(
        ours.state_dict().items(), theirs.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(own, other, msg=name)


def test_the_target_changes_what_is_learned():
    grads = []
    for weight in (0.0, 5.0):
        model = model_of(target_weight=weight)
        inputs, samples = processed(model)
        losses = model.loss(inputs, samples)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        grads.append(model.decode_head.conv_seg.weight.grad)
    assert (grads[0] - grads[1]).abs().max() > 1e-4


def test_weight_0_is_the_control():
    """The gradient is the source's alone; batch norm's statistics have seen both domains."""
    model, alone = model_of(target_weight=0.0), build(segmentor(**plain()))
    randomise_norms(alone).load_state_dict(model.state_dict())
    inputs, samples = processed(model)
    losses = model.loss(inputs, samples)
    expected = alone.train().loss(inputs["source"], samples["source"])
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    assert losses["loss_max_square"] == 0
    sum(value for name, value in losses.items() if "loss" in name).backward()
    sum(value for name, value in expected.items() if "loss" in name).backward()
    for own, other in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    alone.extract_feat(inputs["target"])
    torch.testing.assert_close(model.backbone.bn1.running_mean, alone.backbone.bn1.running_mean)


def plain():
    config = adapting("MaxSquare")
    return {**config, "type": "EncoderDecoder", "backbone": RESNET}


def test_restitution_is_the_sources_alone():
    """As of SNREncoderDecoder on the source; the trust learns both domains."""
    model = model_of(snr=True)
    alone = build(segmentor(**{**adapting("MaxSquare", True), "type": "SNREncoderDecoder"}))
    alone.load_state_dict(model.state_dict())
    inputs, samples = processed(model)
    losses = model.loss(inputs, samples)
    expected = alone.train().loss(inputs["source"], samples["source"])
    assert losses["loss_snr_restitution"] > 0
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    assert model.backbone.layer1.snr.trust.seen[0] == 4
    assert alone.backbone.layer1.snr.trust.seen[0] == 2


def test_padding_of_the_target_does_not_count():
    model = model_of(image_wise=False).eval()
    inputs, samples = processed(model, mixed_batch(2, width=32))
    target = model.target_of(inputs, samples)
    assert target.valid[..., :32].all() and not target.valid[..., 32:].any()
    p = model.scores(model.decode_head, model.extract_feat(target.images), target.images).softmax(1)
    losses = model.target_losses(target)
    expected = -0.1 * p[..., :32].square().mean() / 2
    torch.testing.assert_close(losses["loss_max_square"], expected)


def test_gradient_accumulation_is_the_mean_of_two_batches():
    """Without batch norm's statistics, which each batch has its own of."""
    halves, whole = model_of(**frozen()), model_of(**frozen())
    batch = mixed_batch(4)
    first, second = ({k: v[s] for k, v in batch.items()} for s in (slice(4), slice(4, 8)))
    wrapper = OptimWrapper(SGD(halves.parameters(), lr=RATE), accumulative_counts=2)
    wrapper.initialize_count_status(halves, 0, 2)
    for half in (first, second):
        halves.train_step(half, wrapper)
    whole.train_step(mixed_batch(4), OptimWrapper(SGD(whole.parameters(), lr=RATE)))
    for (name, own), other in zip(halves.named_parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(own, other, msg=name)


def frozen():
    config = adapting("MaxSquare")
    return {
        "backbone": {**RESNET, "norm_eval": True},
        **{head: {**config[head], "norm_cfg": None} for head in ("decode_head", "auxiliary_head")},
    }


def test_multi_level_needs_an_auxiliary_head():
    with pytest.raises(InputError, match="multi_level=True needs one auxiliary_head"):
        build(adapting("MaxSquare", multi_level=True, auxiliary_head=None))


def test_a_batch_of_one_domain_is_refused():
    model = model_of()
    with pytest.raises(InputError, match=r"data_preprocessor\.type to SourceTargetPreProcessor"):
        model.loss(torch.zeros(2, 3, 64, 64), [])


def test_a_binary_head_of_one_score_is_refused():
    head = {**adapting("MaxSquare")["decode_head"], "num_classes": 2, "out_channels": 1}
    with pytest.raises(InputError, match="two or more classes"):
        build(adapting("MaxSquare", decode_head=head))
