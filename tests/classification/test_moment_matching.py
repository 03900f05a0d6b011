"""M3SDA's three updates: what each learns, and of which images."""

import pytest
import torch

pytest.importorskip("mmpretrain")

from mmengine.hooks import CheckpointHook
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample

import snr_plugins.classification  # noqa: F401  registers
from snr_plugins.classification import LeaveOneOutDataset
from snr_plugins.errors import InputError
from snr_plugins.nn.moment_distance import moment_distance
from snr_plugins.openmmlab.source_target import adaptation_of, refuse_choice_by_target
from tests.domain_trees import write_domain_tree

ROWS = (("a", 0), ("b", 2), ("t", -1), ("a", 1), ("b", 1), ("t", -1))


def build(kind="M3SDAImageClassifier", **options):
    backbone = dict(type="ResNet", depth=18, base_channels=8, stem_channels=8, norm_eval=True)
    if kind.startswith("SNR"):
        backbone = dict(type="SNRBackbone", backbone=backbone, after=["layer1"], reduction=4)
    cfg = dict(
        type=kind,
        backbone=backbone,
        neck=dict(type="GlobalAveragePooling"),
        head=dict(type="LinearClsHead", num_classes=3, in_channels=64),
        **options,
    )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = MODELS.build(cfg)
    model.init_weights()
    return model.train()


def batch():
    samples = []
    for domain, label in ROWS:
        samples.append(DataSample(metainfo={"domain": domain}).set_gt_label(label))
    torch.manual_seed(1)
    return torch.rand(len(ROWS), 3, 32, 32), samples


def learned(model, losses):
    """Names of the parts whose parameters get a gradient."""
    model.zero_grad()
    sum(value for name, value in losses.items() if "loss" in name).backward()
    return {
        name.partition(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().sum() > 0
    }


def test_each_update_teaches_its_parts():
    model = build()
    assert learned(model, model(*batch(), mode="everything")) == {"backbone", "head", "head_2"}
    assert learned(model, model(*batch(), mode="heads")) == {"head", "head_2"}
    assert learned(model, model(*batch(), mode="generator")) == {"backbone"}


def test_losses_are_the_formulas_of_each_domains_own_rows():
    model = build(moment_weight=0.5)
    images, samples = batch()
    features = model.extract_feat(images)[-1]
    losses = model(images, samples, mode="everything")
    distance = moment_distance([features[[0, 3]], features[[1, 4]]], features[[2, 5]])
    torch.testing.assert_close(losses["loss_moments"], 0.5 * distance)
    rows, labels = [0, 3, 1, 4], torch.tensor([0, 1, 2, 1])
    for name, head in (("loss", model.head), ("loss_2", model.head_2)):
        expected = torch.nn.functional.cross_entropy(head((features[rows],)), labels)
        torch.testing.assert_close(losses[name], expected)
    p, q = (head((features[[2, 5]],)).softmax(1) for head in (model.head, model.head_2))
    apart = (p - q).abs().mean()
    assert apart > 0
    torch.testing.assert_close(model(images, samples, mode="generator")["loss_discrepancy"], apart)
    torch.testing.assert_close(model(images, samples, mode="heads")["loss_discrepancy"], -apart)


@pytest.mark.parametrize("kind", ["M3SDAImageClassifier", "SNRM3SDAImageClassifier"])
def test_an_iteration_makes_all_updates(kind):
    model = build(kind, generator_steps=2)
    optim = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.01))
    images, samples = batch()
    before = model.head.fc.weight.clone()
    logged = model.train_step({"inputs": images, "data_samples": samples}, optim)
    assert optim._inner_count == 4
    assert not torch.equal(before, model.head.fc.weight)
    assert {"loss_moments", "discrepancy", "loss_2"} <= logged.keys()
    assert ("loss_snr_restitution" in logged) == kind.startswith("SNR")
    assert len(model.eval().predict(images, None)) == len(ROWS)


def test_a_batch_without_target_and_a_wrapper_of_one_loss_are_refused():
    model = build()
    images, samples = batch()
    with pytest.raises(InputError, match="no labelled source or no unlabelled target: train on"):
        model(images[:2], samples[:2], mode="everything")
    with pytest.raises(InputError, match="three updates in an iteration, of which this wrapper"):
        model(images, samples, mode="loss")


def test_the_target_hands_out_no_class(tmp_path):
    dataset = LeaveOneOutDataset(str(write_domain_tree(tmp_path / "d")), "dim", adapt=True)
    assert [part.domain for part in dataset.datasets] == ["bright", "dark", "dim"]
    target = dataset.datasets[-1]
    assert len(target) == 40
    assert {target.get_data_info(index)["gt_label"] for index in range(40)} == {-1}
    assert {dataset.get_data_info(index)["gt_label"] for index in range(36)} == {0, 1}
    source, adapted_to = adaptation_of(dataset)
    assert (source.domain, adapted_to) == ("bright, dark", target)


def test_an_image_without_its_domain_is_named():
    """All sources would be one."""
    images, samples = batch()
    samples[1] = DataSample(metainfo={"img_path": "b/1.jpg"}).set_gt_label(2)
    with pytest.raises(InputError, match="b/1.jpg names no domain: add 'domain' to meta_keys"):
        build()(images, samples, mode="everything")


def test_a_network_may_be_chosen_by_the_sources(tmp_path):
    write_domain_tree(tmp_path)
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        data = LeaveOneOutDataset(str(tmp_path), held_out="dim", adapt=True)
    hook = CheckpointHook(save_best="sources/accuracy", rule="greater")
    refuse_choice_by_target([hook], data)
    for other in ("dim/accuracy", "bright/accuracy"):
        with pytest.raises(InputError, match="is no score on the source, 'sources', and would"):
            refuse_choice_by_target([CheckpointHook(save_best=other, rule="greater")], data)
