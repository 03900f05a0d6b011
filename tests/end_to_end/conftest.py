"""Real commands on a tiny folder in Cityscapes' layout, with a network of a few channels."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trees import PAINTED, write_cityscapes_tree

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def datasets(tmp_path_factory):
    """DETECTRON2_DATASETS with a synthetic city of three frames per split."""
    root = tmp_path_factory.mktemp("datasets")
    for split, conditions in (("train", ("clear",)), ("val", ("clear", "foggy_beta_0.02"))):
        write_cityscapes_tree(root / "synthetic_city", split, conditions, PAINTED)
    return root


@pytest.fixture
def command(datasets, tmp_path):
    """Runs a Python script from the repository's root; returns the finished process."""

    def run(script, *args, **environment):
        return subprocess.run(
            [sys.executable, str(script), *map(str, args)],
            cwd=ROOT,
            env={**os.environ, "DETECTRON2_DATASETS": str(datasets), "OMP_NUM_THREADS": "2"}
            | environment,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
