"""Every adaptation config: it builds, and its SNR form differs from the plain one in SNR alone."""

import functools

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

import snr_plugins.segmentation  # noqa: F401
from snr_plugins.nn import find_snr
from tests.segmentation.adaptation.pairs import ADAPTATION, METHODS, PAIRS, config_of
from tests.segmentation.streets import CONFIGS

EVERY = [config_of(pair, method) for pair in PAIRS for method in METHODS]
# networks of full size take seconds to build: the thin ones in the default run
BUILT = [
    pytest.param(path, marks=() if "camvid" in path.stem else pytest.mark.slow, id=path.stem)
    for path in EVERY
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmseg")


@functools.cache
def build(path):
    """The model on the meta device: shapes and names without memory."""
    with torch.device("meta"):
        return MODELS.build(Config.fromfile(path).model)


def test_no_config_is_left_out():
    forms = {path.with_name(f"{path.stem}_snr.py") for path in EVERY}
    assert {*EVERY, *forms} == set(ADAPTATION.glob("*.py"))


@pytest.mark.parametrize("path", BUILT)
def test_snr_form_differs_in_snr_alone(path):
    with_snr = path.with_name(f"{path.stem}_snr.py")
    plain, snr = build(path), build(with_snr)
    assert len(find_snr(snr)) == 3
    shapes = {key: value.shape for key, value in snr.state_dict().items()}
    own = {key for key in shapes if ".snr." in key or key.startswith("snr_losses.")}
    of_teacher = {key for key in shapes if "/snr/" in key or "/snr_losses/" in key}
    assert {key: shapes[key] for key in shapes.keys() - own - of_teacher} == {
        key: value.shape for key, value in plain.state_dict().items()
    }
    configs = [Config.fromfile(p).to_dict() for p in (path, with_snr)]
    starts = [config.pop("load_from") for config in configs]
    for config in configs:
        del config["model"]
        config.pop("custom_hooks", None)
    assert configs[0] == configs[1]
    if starts[0] is not None:
        assert starts[1] == starts[0].replace("/iter", "_snr/iter")


@pytest.mark.parametrize("path", BUILT)
def test_it_starts_from_what_a_config_of_the_source_saves(path):
    config = Config.fromfile(path)
    if "mcd" in path.stem:
        assert config.load_from is None
        assert config.model_wrapper_cfg.find_unused_parameters
        return
    _, name, checkpoint = config.load_from.split("/")
    source = Config.fromfile(CONFIGS / f"{name}.py")
    assert checkpoint == f"iter_{source.train_cfg.max_iters}.pth"
    theirs = dict(build(CONFIGS / f"{name}.py").state_dict())
    ours = {k: v for k, v in build(path).state_dict().items() if not k.startswith("teacher.")}
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_data_and_network_agree(path):
    config = Config.fromfile(path)
    data = config.train_dataloader.dataset
    tested = config.test_dataloader.dataset.datasets
    classes = {
        len(d.get("metainfo", DATASETS.get(d.type).METAINFO)["classes"])
        for d in (data.source, *tested)
    }
    heads = [config.model.decode_head, config.model.get("auxiliary_head")]
    assert classes == {head.num_classes for head in heads if head}
    assert config.train_dataloader.batch_size % 2 == 0
    assert config.train_dataloader.sampler == {"type": "SourceTargetSampler"}
    domains = {d.get("domain") or d.get("condition") or d.get("city") or "clear" for d in tested}
    assert domains == {metric.domain for metric in config.test_evaluator}
    target = data.target
    of_target = target.get("domain") or target.get("condition") or target.get("city")
    assert of_target in domains
    assert config.randomness.seed == 0
    assert "save_best" not in config.default_hooks.checkpoint
    if config.val_dataloader is not None:  # at the end alone
        assert config.train_cfg.val_interval == config.train_cfg.max_iters
