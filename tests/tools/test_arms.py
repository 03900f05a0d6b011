"""Each arm by its one word, as each framework builds it."""

import re
from pathlib import Path

import pytest
import torch
from arms import ARMS, as_arguments, config_of, find_arm, overrides

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError
from snr_plugins.nn import (
    DSU,
    SNR,
    IBNa,
    IBNb,
    MixStyle,
    NormalisationPerturbation,
    SpatialSNR,
    find_layers,
)
from snr_plugins.nn.gate import GATES

BOXES = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml"
PIXELS = "segmentation/fcn_thin_r50_camvid.py"
CLASSES = "classification/thin_r50_pacs.py"


def arguments_of(word, config):
    path = config_of(ARMS[word], Path(config_path(config)))
    return str(path), as_arguments(overrides(ARMS[word], path), path)


def detector(word):
    """The config and the backbone's layers."""
    pytest.importorskip("detectron2")
    from snr_plugins.detection.config import load_config
    from snr_plugins.detection.trainer import Trainer

    cfg = load_config(*arguments_of(word, BOXES))
    return cfg, Trainer.build_model(cfg)


def segmentor(word):
    pytest.importorskip("mmseg")
    from mmseg.registry import MODELS

    return of_mmengine(word, PIXELS, MODELS)


def classifier(word):
    pytest.importorskip("mmpretrain")
    from mmpretrain.registry import MODELS

    return of_mmengine(word, CLASSES, MODELS)


def of_mmengine(word, config, models):
    from mmengine.config import DictAction
    from mmengine.registry import DefaultScope

    from snr_plugins.openmmlab.launch import load_config

    path, words = arguments_of(word, config)
    pairs = dict(word.split("=", 1) for word in words)
    options = {key: DictAction._parse_iterable(value) for key, value in pairs.items()}
    cfg = load_config(path, options)
    cfg.model.backbone.get("backbone", cfg.model.backbone).init_cfg = None
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return cfg, models.build(cfg.model)


def photometric(build, cfg):
    """Whether the framework's own pipeline of training images changes their colours."""
    if build is detector:
        return cfg.INPUT.PHOTOMETRIC
    from mmengine.registry import DefaultScope
    from mmseg.registry import DATASETS

    with DefaultScope.overwrite_default_scope("mmseg"):
        dataset = DATASETS.build({**cfg.train_dataloader.dataset, "lazy_init": True})
    return "PhotoMetricDistortion" in {type(step).__name__ for step in dataset.pipeline.transforms}


@pytest.mark.parametrize(
    ("build", "word"),
    [
        *((build, word) for build in (detector, segmentor) for word in ARMS),
        # its datasets know of no photometric change, and IBN-b not of MMPretrain's blocks
        # and SNRBackbone of no stem
        *((classifier, w) for w in ARMS if not re.search("_photometric|ibn_b|_stem", w)),
    ],
)
def test_each_word_builds_what_it_says(build, word):
    settings, model = build(word)
    if build is not classifier:
        assert photometric(build, settings) == word.endswith("_photometric")
    word = word.removesuffix("_photometric")
    layers = list(find_layers(model).values())
    losses = getattr(model, "snr_losses", {})
    if word == "plain":
        assert not layers and not losses
        return
    peers = {
        "ibn_a": (IBNa, 3 + 4 + 6),  # each block's first norm
        "snr_spatial_channel": (SpatialSNR, 3),
        "ibn_b": (IBNb, 2),
        "mixstyle": (MixStyle, 2),
        "dsu": (DSU, 2),
        "normalisation_perturbation": (NormalisationPerturbation, 2),
    }
    if word in peers:
        kind, count = peers[word]
        assert [type(layer) for layer in layers] == [kind] * count and not losses
        return
    assert len(layers) == (4 if "stem" in word else 3)
    if word.startswith("instance_norm"):
        x = torch.rand(2, layers[0].channels, 9, 9)
        norm = layers[0].norm
        expected = torch.nn.functional.instance_norm(x, weight=norm.weight, bias=norm.bias)
        torch.testing.assert_close(layers[0](x), expected)
        assert not losses
        return
    assert all(type(layer) is SNR for layer in layers)
    assert bool(losses) == (word != "snr_no_loss")
    gates = {"snr_bounded": "bounded", "snr_static": "static"}
    assert {type(layer.gate) for layer in layers} == {GATES[gates.get(word, "residual")]}
    halves = {"snr_l_plus": "plus", "snr_l_minus": "minus"}
    assert {loss.terms for loss in losses.values()} <= {halves.get(word, "both")}
    calibrated = settings.MODEL.SNR.CALIBRATE if build is detector else bool(settings.custom_hooks)
    assert calibrated == (word != "snr_paper")
    trusted = word not in ("snr_paper", "snr_no_trust")
    assert all((layer.trust is not None) == trusted for layer in layers)
    assert {layer.trust.rehearse for layer in layers if trusted} <= {"rehearsed" in word}
    if word in ("snr_paper", "snr_heavy_loss"):
        weights = (0.01, 0.01) if word == "snr_paper" else (0.1, 0.1)
        assert (model.snr_losses.loss_weight, model.snr_losses.probe_weight) == weights
    if word != "snr_static":
        bias = {"snr_closed_start": -3.0, "snr_stem_rehearsed_open": 2.0}.get(word, 0.0)
        assert all((layer.gate.fc2.bias == bias).all() for layer in layers)


def test_an_unknown_word_names_the_known_ones():
    with pytest.raises(InputError, match="there is no arm 'norm'; choose from: plain, instance_no"):
        find_arm("norm")


def test_snr_itself_is_the_config_as_it_stands():
    for config in (BOXES, PIXELS):
        assert arguments_of("snr", config)[1] == []


def test_blanks_that_mmengine_would_leave_out_are_refused():
    config = Path("a.py")
    with pytest.raises(InputError, match="load_from is 'my out/a.pth': MMEngine's command line"):
        as_arguments([("load_from", "my out/a.pth")], config)
    with pytest.raises(InputError, match="classes is 'traffic light'"):
        as_arguments([("classes", ["car", "traffic light"])], config)
    assert as_arguments([("a", "[1, 2]"), ("b", [1, "x"])], config) == ["a=[1, 2]", "b=[1,x]"]


def test_shallow_places_of_a_drn_are_residual_stages():
    """Its layer1 and layer2 are convolutions of the stem."""
    config = Path(config_path("segmentation/drn_d_105_gta5_snr.py"))
    assert ("model.backbone.snr_stages", ["layer3", "layer4"]) in overrides(
        ARMS["mixstyle"], config
    )
    with pytest.raises(InputError, match="the stem is known in ResNets alone"):
        overrides(ARMS["snr_stem"], config)
