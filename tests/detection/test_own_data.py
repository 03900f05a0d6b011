"""The module that SNR_DATASETS names, found or named in one sentence."""

import sys

import pytest

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog

from snr_plugins.detection.own_data import register_own_datasets
from snr_plugins.errors import InputError

NAME = "frames_of_my_own"
MODULE = f"""
from snr_plugins.detection import register_image_folder

def setup_environment():
    register_image_folder("{NAME}", "frames", ["car"])
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the working folder and names it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(file, text, named=None):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        monkeypatch.setenv("SNR_DATASETS", named or path.stem)

    yield write
    if NAME in DatasetCatalog.list():
        DatasetCatalog.remove(NAME)
        MetadataCatalog.remove(NAME)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("own_a.py", "own_a"),
        ("own_b.py", "own_b.py"),
        ("own_folder/own_c.py", "own_folder.own_c"),
        ("own_folder/own_d.py", "own_folder/own_d.py"),
    ],
)
def test_it_is_run_once(module, file, named):
    module(file, MODULE, named)
    register_own_datasets()
    register_own_datasets()  # a second registration of a name is an error of Detectron2's
    assert NAME in DatasetCatalog.list()
    assert MetadataCatalog.get(NAME).thing_classes == ["car"]


def test_nothing_is_named(monkeypatch):
    monkeypatch.delenv("SNR_DATASETS", raising=False)
    register_own_datasets()
    assert NAME not in DatasetCatalog.list()


def test_what_detectron2_has_run_itself_is_not_run_again(module, monkeypatch):
    module("own_e.py", "raise RuntimeError")
    monkeypatch.setenv("DETECTRON2_ENV_MODULE", "own_e")
    register_own_datasets()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("typo", "SNR_DATASETS: there is no module typo"),
        ("own_folder.typo", "SNR_DATASETS: there is no module own_folder.typo"),
        ("typo.own_f", "SNR_DATASETS: there is no module typo.own_f"),
        ("typo.py", "SNR_DATASETS: the file typo.py does not exist"),
        ("own_f", r"SNR_DATASETS: own_f has no function setup_environment\(\)"),
    ],
)
def test_a_module_that_is_not_one_is_named(module, tmp_path, named, message):
    (tmp_path / "own_folder").mkdir()
    module("own_f.py", "pass", named)
    with pytest.raises(InputError, match=message):
        register_own_datasets()


@pytest.mark.parametrize("name", ["a_package_that_is_not_here", "own_g_s_helper"])
def test_what_it_imports_itself_is_shown(module, name):
    module("own_g.py", f"import {name}")
    with pytest.raises(ModuleNotFoundError, match=name):
        register_own_datasets()
