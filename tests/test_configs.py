"""Configs by name, and how the train command finds them, from a folder that holds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError

ROOT = Path(__file__).resolve().parents[1]


def test_is_the_repositorys_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "detection/faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml"
    assert Path(config_path(name)).samefile(ROOT / "configs" / name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("segmentation/fcn_r50_gta_snr.py", "did you mean segmentation/fcn_r50_gta5_snr.py or "),
        ("fcn_r50_gta5.py", "did you mean segmentation/fcn_r50_gta5.py"),
        ("?", "choose one of "),
        ("detection", "choose one of "),
    ],
)
def test_a_wrong_name_gets_what_is_near(name, hint):
    with pytest.raises(InputError) as caught:
        config_path(name)
    message = str(caught.value)
    assert message.startswith(f"config file not found: {name}; {hint}")
    assert "\n" not in message


def train(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "snr_plugins.train", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("framework", "name", "flag"),
    [
        ("detectron2", "detection/faster_rcnn_R_50_C4_cityscapes_to_foggy.yaml", "--num-gpus"),
        ("mmseg", "segmentation/fcn_r50_gta5.py", "--cfg-options"),
    ],
)
def test_train_shows_the_frameworks_flags(tmp_path, framework, name, flag):
    pytest.importorskip(framework)
    done = train(tmp_path, name, "--help")
    assert done.returncode == 0, done.stderr
    assert flag in done.stdout


def test_train_without_a_config_and_with_a_wrong_one(tmp_path):
    assert train(tmp_path, "--help").returncode == 0
    nothing = train(tmp_path)
    assert nothing.returncode == 2 and "python -m snr_plugins.train" in nothing.stdout
    wrong = train(tmp_path, "detection/faster_rcnn.yaml")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: config file not found: detection/faster_rcnn.yaml; ")


def test_train_knows_the_datasets_that_an_environment_module_registers(tmp_path):
    """As docs/datasets.md says, with its imports at the top of the file."""
    pytest.importorskip("detectron2")
    (tmp_path / "my_data.py").write_text(
        "from snr_plugins.detection import env, register_coco_folder\n"
        "def setup_environment():\n"
        "    env.setup_environment()\n"
        "    register_coco_folder('my_source', 'boxes.json', 'images')\n"
    )
    done = train(
        tmp_path,
        "detection/faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml",
        *("DATASETS.TRAIN", "('my_source',)", "DATASETS.TEST", "()"),
        *("MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", ""),
        DETECTRON2_ENV_MODULE="my_data.py",
    )
    assert done.returncode == 1
    assert "error: " in done.stderr and "boxes.json" in done.stderr.splitlines()[-1], done.stderr
