"""A wheel, built by way of the sdist and unpacked alone: it carries configs, weights and tools."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools.command.bdist_wheel", reason="this setuptools builds no wheels")

ROOT = Path(__file__).resolve().parents[1]
# What pip calls (PEP 517): no network, and no environment of its own
BUILD = "from setuptools import build_meta; print(build_meta.build_{}({!r}))"


def python(*arguments, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def tracked():
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode != 0:
        pytest.skip("no git checkout: which files are ours is not known")
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The folder of an unpacked wheel, as `pip install --target` leaves it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in tracked():  # a copy: setuptools leaves build/ and egg-info where it builds
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    python("-c", BUILD.format("sdist", str(folder)), cwd=folder / "source")
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist")
    (source,) = (folder / "sdist").iterdir()
    python("-c", BUILD.format("wheel", str(folder)), cwd=source)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_carries_every_config_and_tool_and_nothing_else(wheel):
    ours = {Path(name) for name in tracked() if name.startswith(("configs/", "tools/"))}
    carried = {p.relative_to(wheel / "snr_plugins/.mim") for p in wheel.rglob(".mim/**/*.*")}
    assert carried == ours
    weights = "configs/detection/weights/faster_rcnn_thin_R_50_FPN_synthetic_city.pth"
    assert (wheel / "snr_plugins/.mim" / weights).read_bytes() == (ROOT / weights).read_bytes()
    top = {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"}
    assert top == {"snr_plugins"}
    assert (wheel / "snr_plugins" / "py.typed").is_file()


DETECTION = """
from detectron2.config import get_cfg
from snr_plugins.configs import config_path
from snr_plugins.detection.config import add_snr_config, load_config
path = config_path("detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml")
cfg = get_cfg()
add_snr_config(cfg)
cfg.merge_from_file(path)
print(path, cfg.MODEL.BACKBONE.NAME, load_config(path, []).MODEL.WEIGHTS, sep="\\n")
"""
SEGMENTATION = """
from mmengine.config import Config
from snr_plugins.configs import config_path
path = config_path("segmentation/fcn_thin_r50_camvid_snr.py")
cfg = Config.fromfile(path)
print(path, cfg.model.type, sep="\\n")
"""


@pytest.mark.slow
def test_detectron2_reads_its_configs(wheel, tmp_path):
    pytest.importorskip("detectron2")
    lines = python("-c", DETECTION, cwd=tmp_path, PYTHONPATH=str(wheel)).splitlines()
    path, backbone, weights = lines[-3:]
    assert backbone == "build_snr_resnet_fpn_backbone"
    for name in (path, weights):
        assert Path(name).is_file() and Path(name).is_relative_to(wheel / "snr_plugins/.mim")


@pytest.mark.slow
def test_mmengine_reads_its_configs(wheel, tmp_path):
    pytest.importorskip("mmseg")
    path, model = python("-c", SEGMENTATION, cwd=tmp_path, PYTHONPATH=str(wheel)).splitlines()[-2:]
    assert Path(path).is_relative_to(wheel / "snr_plugins/.mim")
    assert model == "SNREncoderDecoder"


@pytest.mark.slow
def test_trains_by_name_and_runs_its_tools(wheel, tmp_path):
    pytest.importorskip("detectron2")
    name = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml"
    shown = python("-m", "snr_plugins.train", name, "--help", cwd=tmp_path, PYTHONPATH=str(wheel))
    assert "--num-gpus" in shown
    tool = wheel / "snr_plugins/.mim/tools/demo.py"
    assert "--seed" in python(tool, "--help", cwd=tmp_path, PYTHONPATH=str(wheel))
    assert not list(tmp_path.iterdir())
