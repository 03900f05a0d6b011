"""An option of ours that is misspelt is refused by name, wherever it stands."""

from __future__ import annotations

import inspect
import re

import cv2
import numpy as np
import pytest

pytest.importorskip("mmseg")
pytest.importorskip("mmpretrain")

import mmpretrain.registry
import mmseg.registry
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope, Registry
from mmengine.runner import Runner

import snr_plugins.classification
import snr_plugins.segmentation  # noqa: F401  registers
from snr_plugins.configs import config_path
from snr_plugins.errors import InputError
from snr_plugins.nn import LAYERS, layer_options
from snr_plugins.openmmlab.launch import bad_input, load_config
from tests import mmseg_bases
from tests.misspelling import misspelt

TO_DUSK = "segmentation/adaptation/deeplabv3plus_thin_r50_camvid_to_dusk"
CAMVID = config_path("segmentation/fcn_thin_r50_camvid_snr.py")
if not mmseg_bases.are_found():
    pytest.skip(mmseg_bases.REASON, allow_module_level=True)
RESNET = {"type": "ResNet", "depth": 18, "_scope_": "mmseg"}
# Options of what no shipped config uses
EXAMPLES = {
    "SNR": {"in_channels": 64},
    "SNRNeck": {"in_channels": [64]},
    "SNRBackbone": {"backbone": RESNET, "after": ["layer1"]},
    "ACDCDataset": {"condition": "fog", "data_root": "."},
    "DomainTurnsSampler": {"dataset": []},
    "SourceTargetSampler": {"dataset": []},
    "ImageFolderDataset": {"folder": "."},
    "DomainDataset": {"dataset": {}, "domain": "mine"},
    "DomainConcatDataset": {"datasets": []},
    "SetDomain": {"domain": "mine"},
    "DRN": {"depth": 22},
}


def components(value):
    """Every dict with a type in a config."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"], value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from components(each)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """An example of each component in some shipped configs, by its type."""
    root = tmp_path_factory.mktemp("domains")
    (root / "mine" / "dog").mkdir(parents=True)
    cv2.imwrite(str(root / "mine" / "dog" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    found = {"DomainFolderDataset": {"data_root": str(root), "domain": "mine"}}
    for name in (
        "segmentation/fcn_thin_r50_camvid_snr",
        "segmentation/drn_d_105_gta5_snr",
        "segmentation/deeplabv2_r101_gta5_snr",
        *(f"{TO_DUSK}_{method}_snr" for method in ("maxsquare", "mcd", "mean_teacher")),
        "classification/mobilenet_v2_pacs_m3sda_snr",
        "classification/resnet18_digits_snr",
    ):
        found |= dict(components(Config.fromfile(config_path(f"{name}.py")).to_dict()))
    return found


def registered():
    """What is ours: scope, registry, name."""
    for scope, package in (("mmseg", mmseg.registry), ("mmpretrain", mmpretrain.registry)):
        for registry in filter(lambda r: isinstance(r, Registry), vars(package).values()):
            for name, kind in registry.module_dict.items():
                if kind.__module__.startswith("snr_plugins"):
                    yield scope, registry, name


OURS = {name: (scope, registry) for scope, registry, name in registered()}


def refusal(name, used, **options):
    scope, registry = OURS[name]
    example = used.get(name) or used.get(f"SNR{name}") or EXAMPLES.get(name, {})
    config = {**example, "type": name, **options}
    with DefaultScope.overwrite_default_scope(scope), pytest.raises(Exception) as raised:  # noqa: PT011
        registry.build(ConfigDict(config))
    return bad_input(raised.value)


@pytest.mark.fault(
    "interruption",
    "A letter lost, doubled or exchanged in each option of what is ours in a config of "
    "MMSegmentation or MMPretrain",
    "the option is refused by its name",
)
@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name, (_, registry) in sorted(OURS.items())
        for option, how in inspect.signature(registry.module_dict[name]).parameters.items()
        if name != "StepsDistributedDataParallel"  # built by MMEngine's runner alone, of a model
        and how.kind not in (how.VAR_POSITIONAL, how.VAR_KEYWORD)
    ],
)
def test_a_misspelt_option_is_refused(name, option, used):
    wrong = misspelt(option)
    assert f"'{wrong}'" in (refusal(name, used, **{wrong: 1}) or "")


@pytest.mark.fault(
    "interruption",
    "A letter lost, doubled or exchanged in each option of each layer, in a config of MMEngine",
    "the option is refused by its name",
)
@pytest.mark.parametrize(
    ("layer", "option"), [(layer, option) for layer in LAYERS for option in layer_options(layer)]
)
def test_a_misspelt_option_of_a_layer_is_refused(layer, option):
    wrong = misspelt(option)
    sentence = refusal("SNRBackbone", {}, layer=layer, **{wrong: 1})
    assert wrong in (sentence or "")


@pytest.mark.fault(
    "interruption",
    "A letter lost, doubled or exchanged in each name that `--cfg-options` may begin with",
    "the name is refused, and the one that is meant is said",
)
@pytest.mark.parametrize("name", sorted(Config.fromfile(CAMVID)))
def test_a_misspelt_override_is_refused(name):
    wrong = misspelt(name)
    with pytest.raises(InputError, match=f"the config has no '{wrong}'; do you mean '{name}'"):
        load_config(CAMVID, {f"{wrong}.deeper": 1})


def test_what_the_runner_reads_from_the_config_alone_may_be_new():
    read = set(re.findall(r"self\.cfg\.get\(\s*'(\w+)'", inspect.getsource(Runner)))
    assert {"model_wrapper_cfg", "sync_bn"} <= read
    for name in read:
        assert load_config(CAMVID, {name: None})[name] is None


def test_what_launchers_know_may_be_new():
    assert load_config(CAMVID, {"randomness.seed": 1, "resume": True}).randomness.seed == 1
