"""Which part of the package may import which: each is imported alone, in a fresh process."""

import subprocess
import sys

import pytest

FRAMEWORKS = ("detectron2", "mmengine", "mmcv", "mmseg")
FORBIDDEN = {
    "snr_plugins.nn": (*FRAMEWORKS, "snr_plugins.data", "snr_plugins.detection", "tools"),
    "snr_plugins.data": (*FRAMEWORKS, "torch", "snr_plugins.nn", "snr_plugins.detection", "tools"),
    "snr_plugins.data.label_ids": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
    "snr_plugins.data.cityscapes": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
    "snr_plugins.city": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
    "snr_plugins.data.checks.inspection": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
    "snr_plugins.data.fog": (*FRAMEWORKS, "torch", "moderngl", "snr_plugins.nn", "tools"),
    "snr_plugins.configs": (*FRAMEWORKS, "torch", "snr_plugins.nn", "snr_plugins.data", "tools"),
    "snr_plugins.train": (*FRAMEWORKS, "torch", "snr_plugins.nn", "snr_plugins.data", "tools"),
    "snr_plugins.results": (
        *FRAMEWORKS,
        "torch",
        "snr_plugins.nn",
        "snr_plugins.city",
        "snr_plugins.detection",
        "snr_plugins.openmmlab",
        "snr_plugins.segmentation",
        "tools",
    ),
    "snr_plugins.segmentation": ("detectron2", "snr_plugins.detection", "tools"),
    "snr_plugins.detection": ("mmengine", "mmcv", "mmseg", "snr_plugins.segmentation", "tools"),
}


def loaded_by(module, forbidden):
    """Those of ``forbidden`` that importing ``module`` loads."""
    code = f"import sys, {module}; print(*(m for m in {forbidden!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("module", FORBIDDEN)
def test_rooms_keep_apart(module):
    assert loaded_by(module, FORBIDDEN[module]) == []


def test_the_check_can_fail():
    assert loaded_by("snr_plugins.detection", ("detectron2", "mmseg")) == ["detectron2"]
