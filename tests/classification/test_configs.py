"""Every shipped config builds, and its SNR form differs from it in what SNR is alone."""

from pathlib import Path

import pytest

pytest.importorskip("mmpretrain")

from mmengine.registry import DefaultScope
from mmpretrain.registry import DATA_SAMPLERS, HOOKS, METRICS, MODELS

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError
from snr_plugins.nn import find_snr
from snr_plugins.openmmlab.launch import load_config

FOLDER = Path(config_path("classification/mobilenet_v2_pacs.py")).parent
PLAIN = sorted(p for p in FOLDER.glob("*.py") if not p.stem.endswith("_snr"))


def build(cfg):
    backbone = cfg.model.backbone
    backbone.get("backbone", backbone).init_cfg = None
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_the_snr_form_is_the_plain_one_with_snr(path):
    plain, snr = load_config(str(path)), load_config(str(path.with_stem(f"{path.stem}_snr")))
    for key in plain.keys() - {"model", "custom_hooks"}:
        assert plain[key] == snr[key], key
    for key in plain.model.keys() - {"type", "backbone"}:
        assert plain.model[key] == snr.model[key], key
    assert snr.model.backbone.backbone == plain.model.backbone
    assert snr.model.type == f"SNR{plain.model.type}"
    without, model = build(plain), build(snr)
    assert len(find_snr(model)) == 3
    assert without.state_dict().keys() <= model.state_dict().keys()


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_what_a_config_names_is_registered(path):
    cfg = load_config(str(path.with_stem(f"{path.stem}_snr")))
    assert cfg.default_scope == "mmpretrain"
    assert METRICS.get(cfg.test_evaluator.type)
    assert DATA_SAMPLERS.get(cfg.train_dataloader.sampler.type)
    for hook in [*cfg.default_hooks.values(), *cfg.get("custom_hooks", [])]:
        assert HOOKS.get(hook.type)
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert len({loader.dataset.held_out for loader in loaders}) == 1
    assert [bool(loader.dataset.get("test_mode")) for loader in loaders] == [False, True, True]


def test_one_key_holds_a_domain_out_in_every_loader():
    cfg = load_config(str(FOLDER / "mobilenet_v2_pacs_snr.py"), {"held_out": "photo"})
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert [loader.dataset.held_out for loader in loaders] == ["photo"] * 3


def test_one_loader_of_three_is_refused():
    """All three get the config's one key afterwards."""
    with pytest.raises(InputError, match="dataset.held_out is one of three; set held_out"):
        load_config(
            str(FOLDER / "mobilenet_v2_pacs_snr.py"), {"train_dataloader.dataset.held_out": "photo"}
        )
