"""tools/doctor.py: the table of breakages on versions alone, and a real run on this stack."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from snr_plugins.doctor import kernels, probes
from snr_plugins.doctor.breakages import find_breakages, release

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)


def pinned():
    """The versions that this project is measured on, from its lock."""
    return dict(PIN.findall((ROOT / "requirements/all.txt").read_text()))


def without(*names):
    return {name: None for name in names}


# What is changed in the pinned stack, what is said of it, the mend, and whether work stops.
CASES = [
    ({"torch": "2.2.2+cu118"}, "torch is older than 2.3", "torch>=2.3", True),
    (without("torch"), "torch is missing", "pip install torch", True),
    (without("opencv-python-headless"), "OpenCV is missing", "opencv-python-headless", True),
    ({"opencv-python": "4.11.0.86"}, "wants libGL", "opencv-python-headless", False),
    ({"numpy": "2.2.6"}, "numpy 2 is newer", "numpy<2", False),
    ({"setuptools": "82.0.0"}, "imports pkg_resources", "setuptools<81", True),
    (without("setuptools"), "imports pkg_resources", "setuptools<81", True),
    ({"detectron2 imports": "deeplearning"}, "issue 5436", "c69939a", False),
    ({"torch": "2.6.0"}, "neither resumes nor loads", "torch<2.6", True),
    ({"mmcv-lite": "2.1.0"}, "no compiled operators", "pip uninstall -y mmcv-lite", True),
    ({"mmcv": "2.2.0"}, "refuses mmcv 2.2.0", "mmcv>=2.0.0rc4,<2.2", True),
    (without("ftfy"), "imports ftfy", "pip install ftfy", True),
    (without("regex"), "imports regex", "pip install regex", True),
    (without("mmcv"), "without mmcv", "mmcv>=2.0.0rc4,<2.2", True),
    ({"torch": "2.14.0", "mmengine": "0.11.0"}, "C++17", "torch<2.14", False),
]


@pytest.mark.fault(
    "machines",
    "Versions that do not go together, one change of the pinned stack each",
    "`tools/doctor.py` names the breakage and its mend, and nothing else",
)
@pytest.mark.parametrize(("change", "says", "mend", "stops"), CASES, ids=lambda c: str(c)[:30])
def test_a_breakage_is_named_with_its_mend(change, says, mend, stops):
    changed = {**pinned(), "detectron2": "0.7.2", **change}
    found = find_breakages({name: v for name, v in changed.items() if v is not None})
    assert found
    for breakage in found:  # setuptools has one of each framework
        assert says in breakage.says and mend in breakage.mend
        assert breakage.stops == stops


def test_the_pinned_stack_has_none_and_the_maintained_forks_one():
    assert find_breakages({**pinned(), "detectron2": "0.7.2"}) == []
    forks = {
        "onedl-mmcv": "2.3.6", "onedl-mmengine": "0.10.12", "onedl-mmsegmentation": "1.4.2",
        "torch": "2.10.0", "numpy": "2.3.0", "opencv-python-headless": "4.12.0",
        "pillow": "12.0.0", "tqdm": "4.60",
    }  # fmt: skip
    (breakage,) = find_breakages(forks)
    assert "mmseg::" in breakage.says and not breakage.stops
    too_new = find_breakages({**forks, "torch": "2.14.0"})
    assert len(too_new) == 2 and "onedl-mmcv 2.3.6" in too_new[0].says


def test_releases_are_compared_as_numbers():
    assert release("2.10.0") > release("2.9.1+cu121") > release("2.9.0rc1")
    assert release("main") == ()


FOUND = """
from snr_plugins.doctor.probes import installed_versions, versions_found
for finding in versions_found(installed_versions()):
    print(finding.level, finding.text)
"""


def python(code, *folders):
    path = os.pathsep.join(map(str, [*folders, ROOT]))
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_finds_what_lies_in_site_packages(tmp_path):
    """A folder before the environment's own: its versions are those that are imported."""
    for name, version in (("torch", "2.2.0"), ("mmcv_lite", "2.1.0"), ("mmsegmentation", "1.2.2")):
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    reader = tmp_path / "detectron2/data/datasets/cityscapes.py"
    reader.parent.mkdir(parents=True)
    (tmp_path / "detectron2/__init__.py").touch()
    reader.write_text("def load():\n    from deeplearning.projects.x import labels\n")
    out = python(FOUND, tmp_path)
    assert "BROKEN torch is older than 2.3" in out
    assert "BROKEN mmcv-lite has no compiled operators" in out
    assert "note this Detectron2 imports Meta's internal module" in out


@pytest.mark.fault(
    "machines",
    "A library that cannot be imported: OpenCV without libGL, a package that is missing",
    "`tools/doctor.py` repeats the reason and prints the mend",
)
@pytest.mark.parametrize(
    ("module", "error", "mend"),
    [
        ("cv2", "ImportError('libGL.so.1: cannot open shared object file')", "headless"),
        ("tqdm", "ModuleNotFoundError(\"No module named 'tqdm'\")", "brings tqdm"),
        ("torch", "OSError('undefined symbol: _ZN3c10')", "built for another torch"),
    ],
)
def test_an_import_that_fails_gets_its_mend(tmp_path, monkeypatch, module, error, mend):
    (tmp_path / f"{module}.py").write_text(f"raise {error}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, [tmp_path, ROOT])))
    found = next(probes.parts_found())
    assert found.level == probes.BROKEN
    assert re.search(r"\('(.*)'\)|\"(.*)\"", error)[0].strip("()'\"") in found.text.replace('"', "")
    assert mend in found.mend


def test_kernels_that_are_wrong_are_named(monkeypatch):
    assert kernels.wrong_walks("cpu") == []
    right = kernels.walks.affine
    monkeypatch.setattr(kernels.walks, "affine", lambda x, *rest: right(x, *rest) + (x > 3))
    wrong = kernels.wrong_walks("cpu")
    assert wrong[0].startswith("affine (float32, contiguous_format): off by ")
    assert sum(what.startswith("affine") for what in wrong) == 6  # types and layouts
    assert not [what for what in wrong if what.startswith(("mean", "variance"))]


def test_datasets_are_found_by_their_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    (tmp_path / "kitti").mkdir()
    there, missing = probes.datasets_found()
    assert there.level == probes.OK and there.text.endswith(": kitti")
    assert "cityscapes" in missing.text and "kitti" not in missing.text


@pytest.mark.parametrize("has_pip", [True, False])
def test_a_python_without_pip_is_mended_by_uv(tmp_path, has_pip):
    """The doctor of a Python that has nothing: what it says to write is for that Python."""
    site = tmp_path / "site"
    (site / "pip" if has_pip else site).mkdir(parents=True)
    code = f"""
import sys
sys.path[:] = [p for p in sys.path if "site-packages" not in p] + [{str(site)!r}]
from snr_plugins.doctor.__main__ import where_pip_goes
print(where_pip_goes(["write to us"]))
print(where_pip_goes(["write to us", "pip install torch"]))
"""
    done = subprocess.run([sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True, check=True)  # fmt: skip
    hint = f"uv pip install --python {sys.executable} for pip install"
    assert done.stdout.splitlines()[0] == "" and (hint in done.stdout) is not has_pip


def test_runs_on_this_stack(tmp_path):
    """Everything for real; a framework that is not installed is a note."""
    done = subprocess.run([sys.executable, ROOT / "tools/doctor.py"], cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"torch {torch.__version__.split('+')[0]}" in done.stdout
    assert "the kernels equal their formulas" in done.stdout
    assert "BROKEN" not in done.stdout
    assert not list(tmp_path.iterdir())
