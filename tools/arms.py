"""The arms of a comparison: one word each, the same in both frameworks, and no config file each.

An arm says what is put after the stages, how it starts and what its loss weighs. `overrides` turns
it into what `tools/train.py` takes behind a plain config or its SNR form. Whatever an arm leaves
None is as the config has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from config_files import is_mmengine, read_mmengine

from snr_plugins.errors import InputError

Overrides = list[tuple[str, object]]  # keys of a config, in dots, and their values


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Args:
        title: in a few words, for tables.
        layer: what follows the stages, a word of `snr_plugins.nn.LAYERS`; None for the plain form.
        options: of the layer, named as in its signature.
        loss_weight: of the restitution loss.
        probe_weight: of the probes' cross-entropy.
        places: a word of `PLACES`, where the layer goes.
        calibrate: False for gamma 1 and beta 0, True for the config's calibrated start.
        loss_terms: "plus" or "minus", half of the restitution loss.
        photometric: whether the training images change their colours, as the framework does it.
    """

    title: str
    layer: str | None = "snr"
    options: Mapping[str, object] = field(default_factory=dict)
    loss_weight: float | None = None
    probe_weight: float | None = None
    places: str | None = None
    calibrate: bool = True
    loss_terms: str | None = None
    photometric: bool = False


# Stages by their names in Detectron2 and in OpenMMLab.
PLACES = {
    # as the peers' papers have it, but for DSU's, which names six places from the first convolution
    # to the last stage
    "shallow": (["res2", "res3"], ["layer1", "layer2"]),
    "stem_too": (["stem", "res2", "res3", "res4"], ["maxpool", "layer1", "layer2", "layer3"]),
}


def _peer(title: str, layer: str, places: str | None = "shallow") -> Arm:
    return Arm(title, layer, loss_weight=0, probe_weight=0, places=places)


ARMS = {
    "plain": Arm("plain", layer=None),
    "instance_norm": _peer("instance norm alone", "instance_norm", places=None),
    "ibn_a": _peer("IBN-a", "ibn_a", places=None),
    "ibn_b": _peer("IBN-b", "ibn_b"),
    "mixstyle": _peer("MixStyle", "mixstyle"),
    "dsu": _peer("DSU", "dsu"),
    "normalisation_perturbation": _peer("normalisation perturbation", "normalisation_perturbation"),
    "snr": Arm("SNR, the config's default"),
    "snr_paper": Arm(
        "SNR, the paper's",
        options={"trust": False},
        loss_weight=0.01,  # of the released classification code, for each stage
        probe_weight=0.01,
        calibrate=False,
    ),
    "snr_no_trust": Arm("SNR without trust", options={"trust": False}),
    "snr_no_loss": Arm("SNR without its loss", loss_weight=0, probe_weight=0),
    "snr_spatial_channel": _peer(
        "SNR, spatial and channel gate, no loss", "snr_spatial_channel", places=None
    ),
    "snr_l_plus": Arm("SNR with L+ alone", loss_terms="plus"),
    "snr_l_minus": Arm("SNR with L- alone", loss_terms="minus"),
    "snr_heavy_loss": Arm("SNR, loss weights 0.1", loss_weight=0.1, probe_weight=0.1),
    "snr_rehearsed": Arm("SNR, rehearsed", options={"rehearse": True}),
    "instance_norm_stem": _peer("instance norm, stem too", "instance_norm", places="stem_too"),
    "snr_stem": Arm("SNR, stem too", places="stem_too"),
    "snr_stem_rehearsed": Arm(
        "SNR, stem too, rehearsed", options={"rehearse": True}, places="stem_too"
    ),
    "snr_stem_rehearsed_open": Arm(
        "SNR, stem too, rehearsed, gates start open",
        options={"rehearse": True, "gate_bias": 2.0},
        places="stem_too",
    ),
    "snr_closed_start": Arm("SNR, gates start almost closed", options={"gate_bias": -3.0}),
    "snr_bounded": Arm("SNR, bounded gate", options={"gate": "bounded"}),
    "snr_static": Arm("SNR, static gate", options={"gate": "static"}),
}
ARMS |= {
    f"{word}_photometric": replace(ARMS[word], title=f"{title}, photometric", photometric=True)
    for word, title in (("plain", "plain"), ("instance_norm", "instance norm"), ("snr", "SNR"))
}


def find_arm(word: str) -> Arm:
    """The arm of this word.

    Raises:
        InputError: there is none.
    """
    if word not in ARMS:
        raise InputError(f"there is no arm '{word}'; choose from: {', '.join(ARMS)}")
    return ARMS[word]


def config_of(arm: Arm, config: Path) -> Path:
    """The form of a plain config that the arm trains: itself, or ``<stem>_snr``."""
    return config if arm.layer is None else config.with_stem(f"{config.stem}_snr")


def overrides(arm: Arm, config: Path) -> Overrides:
    """What the arm changes in `config_of`, in the words of the config's framework."""
    mmengine = is_mmengine(config)
    found: Overrides = []
    if arm.layer is not None:
        found += _of_mmengine(arm, config) if mmengine else _of_detectron2(arm)
    if arm.photometric:
        key = "train_dataloader.dataset.photometric" if mmengine else "INPUT.PHOTOMETRIC"
        found.append((key, True))
    return found


def _of_detectron2(arm: Arm) -> Overrides:
    settings: dict[str, object] = {} if arm.layer == "snr" else {"LAYER": arm.layer}
    settings |= {name.upper(): value for name, value in arm.options.items()}
    settings |= _known(LOSS_WEIGHT=arm.loss_weight, PROBE_WEIGHT=arm.probe_weight)
    settings |= _known(LOSS_TERMS=arm.loss_terms)
    if arm.places is not None:
        settings["STAGES"] = PLACES[arm.places][0]
    if not arm.calibrate:
        settings["CALIBRATE"] = False
    # the framework wants the type that a key has: 0 is no float to it
    return [
        (f"MODEL.SNR.{key}", float(value) if key.endswith("WEIGHT") else value)
        for key, value in settings.items()
    ]


def _of_mmengine(arm: Arm, config: Path) -> Overrides:
    kind, stages = _backbone_of(config)
    layer, after, options = (
        ("layer", "after", "") if kind == "SNRBackbone" else ("snr_layer", "snr_stages", "snr.")
    )
    found: Overrides = []
    if arm.layer != "snr":
        found.append((layer, arm.layer))
    if arm.places is not None:
        found.append((after, PLACES[arm.places][1] if stages is None else _of(stages, arm)))
    found += [(f"{options}{name}", value) for name, value in arm.options.items()]
    found = [(f"model.backbone.{key}", value) for key, value in found]
    weights = _known(
        snr_loss_weight=arm.loss_weight,
        snr_probe_weight=arm.probe_weight,
        snr_loss_terms=arm.loss_terms,
    )
    found += [(f"model.{name}", value) for name, value in weights.items()]
    return found if arm.calibrate else [*found, ("custom_hooks", [])]


def _of(stages: list[str], arm: Arm) -> list[str]:
    """The arm's places among the stages of any backbone.

    Raises:
        InputError: they are known in ResNets alone.
    """
    if arm.places == "shallow":
        return stages[:2]
    raise InputError(f"{arm.title}: the stem is known in ResNets alone")


def _backbone_of(config: Path) -> tuple[str | None, list[str] | None]:
    """Its type, and the stages that the layer follows where those are not a ResNet's."""
    if not config.is_file():
        return None, None
    backbone = read_mmengine(config).model.backbone
    if backbone.type == "SNRBackbone":
        return backbone.type, list(backbone.after)
    # of a DRN layer1 and layer2 are convolutions of 16 and 32 channels
    return backbone.type, ["layer3", "layer4", "layer5"] if backbone.type == "SNRDRN" else None


def _known(**settings: object) -> dict[str, object]:
    return {name: value for name, value in settings.items() if value is not None}


def as_arguments(pairs: Iterable[tuple[str, object]], config: Path) -> list[str]:
    """Overrides as the config's framework reads them on a command line."""
    if is_mmengine(config):
        return [f"{key}={_mmengine_value(key, value)}" for key, value in pairs]
    return [word for key, value in pairs for word in (key, str(value))]


def _mmengine_value(key: str, value: object) -> str:
    """As MMEngine's DictAction reads it: no quotes, and no blanks, which it would leave out."""
    if isinstance(value, list):
        return f"[{','.join(_mmengine_value(key, item) for item in value)}]"
    text = str(value)
    if re.search(r"\s", text) and text[0] not in "[(":
        raise InputError(
            f"{key} is '{text}': MMEngine's command line leaves the blanks out; take a value, or "
            "a folder, without any"
        )
    return text
