"""The three updates of MCD against a textbook with two optimizers."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch.optim import SGD

from snr_plugins.errors import InputError
from tests.segmentation.adaptation.batches import adapting, mixed_batch, processed
from tests.segmentation.networks import build, randomise_norms

OPTIONS = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}


def model_of(snr=False, **options):
    options = {"auxiliary_head": None, "generator_steps": 2, **options}
    model = randomise_norms(build(adapting("MCD", snr, **options))).train()
    model.init_weights()
    return model


def textbook(model, iterations, steps):
    """Saito et al., with an optimizer of the generator and one of the classifiers."""
    heads = [model.decode_head, model.decode_head_2]
    of_g = SGD(model.backbone.parameters(), **OPTIONS)
    of_f = SGD([p for head in heads for p in head.parameters()], **OPTIONS)
    inputs, samples = processed(model)
    source, target = inputs["source"], inputs["target"]
    labels = torch.cat([s.gt_sem_seg.data for s in samples["source"]])

    def scores(images):
        features = model.backbone(images)
        return [F.interpolate(head(features), images.shape[2:], mode="bilinear") for head in heads]

    def cross_entropies():
        return sum(
            F.cross_entropy(z, labels, ignore_index=255, reduction="sum") / labels.numel()
            for z in scores(source)
        )

    def apart():
        first, second = (z.softmax(1) for z in scores(target))
        return (first - second).abs().mean()

    def step(loss, *optimizers):
        of_g.zero_grad(), of_f.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss.detach()

    for _ in range(iterations):
        step(cross_entropies(), of_g, of_f)
        step(cross_entropies() - apart(), of_f)
        for _ in range(steps):
            last = step(apart(), of_g)
    return last


@pytest.mark.parametrize("steps", [1, 3])
def test_two_iterations_are_the_textbooks(steps):
    """Momentum and decay of what does not learn in an update stand still in one optimizer too."""
    ours, theirs = model_of(generator_steps=steps), model_of()
    theirs.load_state_dict(ours.state_dict())
    wrapper = OptimWrapper(SGD(ours.parameters(), **OPTIONS))
    for _ in range(2):
        logged = ours.train_step(mixed_batch(), wrapper)
    expected = textbook(theirs, 2, steps)
    torch.testing.assert_close(logged["discrepancy"], expected)
    for (name, own), other in zip(
        ours.state_dict().items(), theirs.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(own, other, msg=name)


def test_the_heads_differ_from_the_start():
    model = model_of()
    first, second = model.decode_head.conv_seg.weight, model.decode_head_2.conv_seg.weight
    assert (first - second).abs().max() > 1e-3


def test_who_learns_in_which_update():
    model = model_of()
    inputs, samples = processed(model)
    parts = {
        "generator": list(model.backbone.parameters()),
        "heads": [*model.decode_head.parameters(), *model.decode_head_2.parameters()],
    }
    for mode, learns in (("everything", parts), ("heads", ["heads"]), ("generator", ["generator"])):
        model.zero_grad()
        loss, _ = model.parse_losses(model(inputs, samples, mode=mode))
        loss.backward()
        for part, parameters in parts.items():
            assert all((p.grad is not None) == (part in learns) for p in parameters), (mode, part)
    assert all(p.requires_grad for p in model.parameters())


def test_restitution_in_the_first_update_alone():
    model = model_of(snr=True)
    inputs, samples = processed(model)
    for mode, expected in (("everything", 2), ("heads", 0), ("generator", 0)):
        losses = model(inputs, samples, mode=mode)
        assert sum(name.startswith("loss_snr") for name in losses) == expected


def test_the_first_head_is_tested():
    model = model_of().eval()
    inputs, _ = processed(model)
    images = inputs["target"]
    expected = model.scores(model.decode_head, model.extract_feat(images), images)
    for sample, scores in zip(model.predict(images), expected, strict=True):
        torch.testing.assert_close(sample.seg_logits.data, scores)


def test_accumulation_and_several_optimizers_are_refused():
    model = model_of()
    optimizer = SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match="set optim_wrapper.accumulative_counts to 1"):
        model.train_step(mixed_batch(), OptimWrapper(optimizer, accumulative_counts=2))
    both = OptimWrapperDict(a=OptimWrapper(optimizer))
    with pytest.raises(InputError, match="needs one optimizer of all parameters"):
        model.train_step(mixed_batch(), both)


def test_a_wrapper_that_skips_the_updates_is_refused():
    model = model_of()
    with pytest.raises(InputError, match="set model_wrapper_cfg=.*StepsDistributedDataParallel"):
        model(*processed(model), mode="loss")


def test_without_the_third_update():
    """The control: the heads learn to disagree, the features nothing of the target."""
    model = model_of(generator_steps=0)
    logged = model.train_step(mixed_batch(), OptimWrapper(SGD(model.parameters(), **OPTIONS)))
    assert "discrepancy" not in logged and "loss" in logged
