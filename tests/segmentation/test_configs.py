"""Every config file: it loads, it builds, and its SNR form differs from the plain one in SNR."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS

import snr_plugins.segmentation  # noqa: F401
from snr_plugins.nn import find_snr

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "segmentation"
PLAIN = sorted(path for path in FOLDER.glob("*.py") if "_snr" not in path.name)
SNR_FORMS = sorted(FOLDER.glob("*_snr*.py"))


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmseg")


def build(path):
    """The model on the meta device: shapes and names without memory."""
    with torch.device("meta"):
        return MODELS.build(Config.fromfile(path).model)


def heads(model):
    return [model.decode_head, *([model.auxiliary_head] if model.with_auxiliary_head else [])]


def test_every_plain_config_has_an_snr_form():
    assert len(PLAIN) >= 12
    for path in PLAIN:
        assert path.with_name(f"{path.stem}_snr.py") in SNR_FORMS


@pytest.mark.parametrize("path", SNR_FORMS, ids=lambda path: path.stem)
def test_snr_form_differs_in_snr_alone(path):
    plain_path = path.with_name(path.stem.split("_snr")[0] + ".py")
    plain, snr = build(plain_path), build(path)
    assert len(find_snr(snr)) == 3
    shapes = {key: value.shape for key, value in snr.state_dict().items()}
    own = {key for key in shapes if ".snr." in key or key.startswith("snr_losses.")}
    assert {key: shapes[key] for key in shapes.keys() - own} == {
        key: value.shape for key, value in plain.state_dict().items()
    }
    configs = [Config.fromfile(p).to_dict() for p in (plain_path, path)]
    for config in configs:
        del config["model"]
        config.pop("custom_hooks", None)
    assert configs[0] == configs[1]


@pytest.mark.parametrize("path", [*PLAIN, *SNR_FORMS], ids=lambda path: path.stem)
def test_data_and_network_agree(path):
    config = Config.fromfile(path)
    targets = config.test_dataloader.dataset.datasets
    classes = {len(classes_of(dataset)) for dataset in [config.train_dataloader.dataset, *targets]}
    assert classes == {head.num_classes for head in heads(build(path))}
    domains = {domain_of(dataset) for dataset in targets}
    assert domains == {metric.domain for metric in config.test_evaluator}
    names = [metric.get("prefix", metric.domain) for metric in config.test_evaluator]
    assert len(set(names)) == len(names)


def test_identity_config_gives_the_plain_backbone():
    plain, identity = (
        Config.fromfile(FOLDER / f"fcn_r50_gta5{form}.py").model.backbone
        for form in ("", "_snr_identity")
    )
    torch.manual_seed(0)
    plain, identity = MODELS.build(plain), MODELS.build(identity)
    plain.eval(), identity.eval()  # MMSegmentation's returns None
    missing, unexpected = identity.load_state_dict(plain.state_dict(), strict=False)
    assert missing
    assert not unexpected
    assert all(".snr." in key for key in missing)
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(identity(images), plain(images), rtol=1e-5, atol=1e-5)


def classes_of(dataset):
    return dataset.get("metainfo", DATASETS.get(dataset.type).METAINFO)["classes"]


def domain_of(dataset):
    return dataset.get("domain") or dataset.get("condition") or dataset.get("city") or "clear"
