"""The docs' parts of configs build what the text beside them says; their commands know their flags.

What the pages run by themselves is in ``tests/test_docs.py``; adaptation has tests of its own; the
module of one's own in ``test_own_data.py``; the three lines that predict in
``test_detectron2_runs.py``.
"""

import functools
import re
import shlex
import subprocess
import sys

import mmengine
import pytest

pytest.importorskip("detectron2")

from detectron2 import model_zoo
from detectron2.config import LazyConfig, instantiate
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

import snr_plugins.segmentation  # noqa: F401  registers
from snr_plugins.detection.config import load_config
from snr_plugins.detection.trainer import Trainer
from snr_plugins.nn import find_snr
from tests.end_to_end.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SMALL = ("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.RESNETS.DEPTH", "18")
SMALL = [*SMALL, "MODEL.RESNETS.RES2_OUT_CHANNELS", "64"]
BASES = {
    "SNRGeneralizedRCNN": "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml",
    "SNRRetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x.yaml",
}
COMMAND = re.compile(
    r"^(?: {4})?(?:[A-Z_0-9]+=\S+ )*(python (?:-m |tools/|TOOLS/).*)$", re.MULTILINE
)


def blocks(language, word, without=()):
    """The fenced blocks of all pages that have a word in them, and none of others."""
    found = []
    for page in PAGES:
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", page.read_text(), re.M | re.S):
            if word in match[1] and not any(other in match[1] for other in without):
                found.append(pytest.param(match[1], id=f"{page.name}:{match[1].count(word)}"))
    assert found
    return found


@pytest.mark.parametrize("block", blocks("yaml", "META_ARCHITECTURE", without=["TIMM"]))
def test_two_names_in_a_yaml_config(block, tmp_path):
    (name,) = (name for name in BASES if name in block)
    path = tmp_path / "config.yaml"
    path.write_text(f'_BASE_: "{model_zoo.get_config_file(BASES[name])}"\n{block}')
    model = Trainer.build_model(load_config(str(path), SMALL))
    assert type(model).__name__ == name
    stages = ("res3", "res4") if "STAGES" in block else ("res2", "res3", "res4")
    assert list(find_snr(model)) == [f"backbone.bottom_up.{stage}.snr" for stage in stages]


@pytest.mark.parametrize("block", blocks("yaml", "TIMM"))
def test_a_timm_network_in_a_yaml_config(block, tmp_path):
    path = tmp_path / "config.yaml"
    base = model_zoo.get_config_file(BASES["SNRGeneralizedRCNN"])
    path.write_text(f'_BASE_: "{base}"\n{block}')
    options = [*SMALL, "MODEL.TIMM.PRETRAINED", "False"]  # no download
    model = Trainer.build_model(load_config(str(path), options))
    assert type(model).__name__ == "SNRGeneralizedRCNN" and len(find_snr(model)) == 3


@pytest.mark.parametrize("block", blocks("python", '_base_ = "mmseg::', without=["SNRBackbone"]))
def test_two_names_in_a_config_of_mmsegmentation(block, tmp_path):
    (tmp_path / "config.py").write_text(block)
    config = Config.fromfile(tmp_path / "config.py")
    assert config.train_dataloader and config.custom_hooks[0].type == "CalibrateSNRHook"
    config.model.backbone.depth = 18
    config.model.decode_head.update(in_channels=512)
    config.model.auxiliary_head.update(in_channels=256)
    model = MODELS.build(config.model)
    assert list(find_snr(model)) == [f"backbone.layer{i}.snr" for i in (1, 2, 3)]


@pytest.mark.parametrize("block", blocks("python", '_base_ = "mmseg::swin'))
def test_another_backbone_in_a_config_of_mmsegmentation(block, tmp_path):
    (tmp_path / "config.py").write_text(block)
    config = Config.fromfile(tmp_path / "config.py").model
    config.backbone.backbone.init_cfg = config.pretrained = None  # no download
    with DefaultScope.overwrite_default_scope("mmseg"):
        assert len(find_snr(MODELS.build(config))) == 3


@pytest.mark.parametrize("block", blocks("python", '_base_ = "mmpretrain::'))
def test_two_names_in_a_config_of_mmpretrain(block, tmp_path):
    (tmp_path / "config.py").write_text(block)
    config = Config.fromfile(tmp_path / "config.py")
    with DefaultScope.overwrite_default_scope("mmpretrain"):
        model = mmengine.registry.MODELS.build(config.model)
    assert list(find_snr(model)) == [f"backbone.layer{i}.snr" for i in (1, 2, 3)]


@pytest.mark.parametrize("block", blocks("python", 'type="SNRBackbone"', without=["_base_"]))
def test_other_backbones_of_mmsegmentation(block):
    names = {}
    exec(block, names)
    with DefaultScope.overwrite_default_scope("mmseg"):  # as a runner has it
        backbone = MODELS.build(names["backbone"])
    assert type(backbone).__name__ == "MobileNetV2"
    assert list(find_snr(backbone)) == [f"layer{i}.snr" for i in (2, 3, 5)]


@pytest.mark.parametrize("block", blocks("python", "put_in"))
def test_a_lazy_config(block):
    path = model_zoo.get_config_file("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py")
    model = LazyConfig.load(path).model
    exec(block, {"model": model})
    built = instantiate(model)
    assert type(built).__name__ == "SNRGeneralizedRCNN"
    assert list(find_snr(built)) == [f"backbone.bottom_up.res{i}.snr" for i in (2, 3, 4)]


def commands():
    """(page, words) of every line that runs a program of this project."""
    for page in PAGES:
        for line in COMMAND.findall(page.read_text().replace("\\\n", " ")):  # one command a line
            words = shlex.split(line, comments=True)
            if words[1] == "-m" or words[1].startswith("tools/"):
                yield pytest.param(words, id=f"{page.name}:{' '.join(words[1:4])}")


@functools.cache
def help_of(*words):
    done = subprocess.run(
        (sys.executable, *words, "--help"), cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


EXAMPLES = {
    ".yaml": "configs/detection/faster_rcnn_R_50_C4_cityscapes_to_foggy.yaml",
    ".py": "configs/segmentation/fcn_r50_gta5.py",
}


@pytest.mark.slow  # each program's --help imports its framework
@pytest.mark.parametrize("words", commands())
def test_a_command_knows_its_flags(words):
    flags = [word for word in words if word.startswith("--")]
    program = words[1:3] if words[1] == "-m" else words[1:2]
    if program[-1] in ("snr_plugins.train", "tools/train.py"):  # the same program
        (config,) = {
            example
            for suffix, example in EXAMPLES.items()
            if any(word.endswith(suffix) for word in words[len(program) + 1 :])
        }
        program = ["-m", "snr_plugins.train", config]
    text = help_of(*program) if flags else ""
    for flag in flags:
        assert re.search(rf"{flag}\b", text), f"{flag} of {' '.join(words)}"
