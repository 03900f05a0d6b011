"""What is here and what works: each probe looks at one thing and says what it found."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.doctor.breakages import OPENCVS, Versions, find_breakages

OK, NOTE, BROKEN = "ok", "note", "BROKEN"


@dataclass(frozen=True)
class Finding:
    """One line of the report; only a ``BROKEN`` one means that this package cannot work here."""

    level: str
    text: str
    mend: str = ""


SHOWN = (
    "torch", "torchvision", "triton", "numpy", *OPENCVS, "pillow", "detectron2",
    "mmcv", "mmcv-lite", "mmengine", "mmsegmentation", "mmpretrain", "mmdet",
    "onedl-mmcv", "onedl-mmengine", "onedl-mmsegmentation", "onedl-mmpretrain", "moderngl",
)  # fmt: skip

# What is run in a Python of its own: a broken build may end its process. A name, the module that
# has to be there for it, and the code; compiled operators are called, not only imported.
_DETECTRON2 = """
import torch, torchvision
torchvision.ops.nms(torch.tensor([[0., 0, 2, 2]]), torch.ones(1), 0.5)
from detectron2 import _C, layers
layers.nms_rotated(torch.tensor([[1., 1, 2, 2, 0]]), torch.ones(1), 0.5)
import detectron2.model_zoo, snr_plugins.detection
print("torchvision's operators and detectron2._C run")
"""
_MMSEG = """
import torch, mmcv.ops
mmcv.ops.nms(torch.tensor([[0., 0, 2, 2]]), torch.ones(1), 0.5)
import snr_plugins.segmentation
print("mmcv's operators run")
"""
_METHOD = """
import cv2, numpy, torch
torch.from_numpy(numpy.zeros(1)).numpy()
import snr_plugins.nn, snr_plugins.data.cityscapes, snr_plugins.data.fog
print("torch and NumPy share memory, OpenCV opens")
"""
_CITY = """
from snr_plugins.city.renderer import create_context
print("EGL draws on", create_context().info["GL_RENDERER"])
"""
PARTS = (
    ("the method and the readers", "torch", _METHOD),
    ("Detectron2", "detectron2", _DETECTRON2),
    ("MMSegmentation", "mmseg", _MMSEG),
)
# The end of what a part says when it fails, and the mend
SYMPTOMS = (
    (r"libGL\.so", "pip uninstall -y opencv-python && "
     "pip install --force-reinstall opencv-python-headless"),
    (r"libgthread|libglib", "apt install libglib2.0-0, or opencv-python-headless"),
    (r"mmcv\._ext", 'mmcv without operators: pip uninstall -y mmcv mmcv-lite && '
     'MMCV_WITH_OPS=1 pip install --no-build-isolation "mmcv>=2.0.0rc4,<2.2"'),
    (r"pkg_resources", 'pip install "setuptools<81"'),
    (r"No module named '(ftfy|regex)'", r"pip install \1"),
    (r"undefined symbol|torchvision::nms|_C.*cannot open|libc10|libtorch|ABI",
     "built for another torch: install it again, from source, beside this one"),
    (r"[Nn]um[Pp]y.*(1\.x|not available)|dtype size changed", 'pip install "numpy<2"'),
    (r"MMCV==.* is used but incompatible", 'pip install "mmcv>=2.0.0rc4,<2.2"'),
    (r"No module named '([\w.]+)'", r"pip install what brings \1"),
)  # fmt: skip


def installed_versions() -> dict[str, str]:
    """Every distribution here by its normalised name.

    Two more: ``detectron2``, whatever distribution brings it, and ``detectron2 imports``, the
    module that its code for Cityscapes imports: a version from git does not tell.
    """
    versions: dict[str, str] = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name:  # the first on the path is the one that is imported
            versions.setdefault(re.sub(r"[-_.]+", "-", name).lower(), found.version)
    spec = importlib.util.find_spec("detectron2")
    if spec is not None and spec.submodule_search_locations:
        versions.setdefault("detectron2", versions.get("sal-detectron2", "0"))
        reader = Path(spec.submodule_search_locations[0], "data", "datasets", "cityscapes.py")
        if reader.is_file() and "from deeplearning." in reader.read_text():
            versions["detectron2 imports"] = "deeplearning"
    return versions


def versions_found(versions: Versions) -> Iterator[Finding]:
    """What is installed, and what of it does not go together."""
    yield Finding(OK, f"Python {platform.python_version()}, {platform.platform()}")
    names = [f"{name} {versions[name]}" for name in SHOWN if name in versions]
    yield Finding(OK, ", ".join(names) or "no library that this package knows")
    for breakage in find_breakages(versions):
        yield Finding(BROKEN if breakage.stops else NOTE, breakage.says, breakage.mend)


def parts_found() -> Iterator[Finding]:
    """The method and each framework, imported and run."""
    for name, module, code in PARTS:
        if importlib.util.find_spec(module) is None:
            yield Finding(NOTE, f"{name}: not installed; docs/install.md says how, if you want it")
        else:
            yield _run(name, code, BROKEN)
    yield _run("the synthetic city", _CITY, NOTE)


def _run(name: str, code: str, level: str) -> Finding:
    """What the code prints; where it fails ``level``, with the last line of its error."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code],
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode == 0:
        return Finding(OK, f"{name}: {done.stdout.splitlines()[-1]}")
    last = (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]
    mends = (
        match.expand(mend) for symptom, mend in SYMPTOMS if (match := re.search(symptom, last))
    )
    return Finding(level, f"{name}: {last}", next(mends, ""))


def devices_found(versions: Versions) -> Iterator[Finding]:
    """Every device of torch, with SNR's walks on it against their formulas."""
    try:
        import torch

        from snr_plugins.doctor.kernels import wrong_walks
    except ImportError:  # said by the versions
        return
    devices = ["cpu"]
    names = [f"cpu, {os.cpu_count()} cores, {torch.get_num_threads()} threads"]
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index}")
        names.append(f"cuda:{index}, {found.name}, {found.total_memory / 2**30:.0f} GiB")
    build = torch.version.cuda or torch.version.hip
    if len(devices) == 1:
        of = f"a build for CUDA {build}" if build else "a build for the CPU alone"
        yield Finding(NOTE, f"torch finds no GPU; it is {of}")
    elif "triton" not in versions:
        yield Finding(NOTE, "no Triton: on the GPU plain formulas take the kernels' place",
                      "pip install triton")  # fmt: skip
    for device, name in zip(devices, names, strict=True):
        try:
            wrong = wrong_walks(device)
        except Exception as error:  # whatever a driver or a compiler meets
            wrong = [f"{type(error).__name__}: {str(error).splitlines()[0]}"]
        if not wrong:
            yield Finding(OK, f"{name}: the kernels equal their formulas")
        for what in wrong:
            mend = "install a torch (and its triton) that is built for this device, and report it"
            yield Finding(BROKEN, f"{name}: {what}", mend)


def datasets_found() -> Iterator[Finding]:
    """Which datasets have their folder below DETECTRON2_DATASETS."""
    root = Path(os.path.expanduser(os.environ.get("DETECTRON2_DATASETS", "datasets")))
    folders = sorted({layout.folder for layout in LAYOUTS.values()})
    there = [folder for folder in folders if (root / folder).is_dir()]
    missing = [folder for folder in folders if folder not in there]
    where = f"datasets in {root.resolve()} (DETECTRON2_DATASETS)"
    yield Finding(OK if there else NOTE, f"{where}: {', '.join(there) or 'none'}",
                  "" if there else "docs/datasets.md says where to get them")  # fmt: skip
    yield Finding(NOTE, f"not there: {', '.join(missing) or 'none'}")
