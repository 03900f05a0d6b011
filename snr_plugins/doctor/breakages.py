"""Versions that do not go together, each with its mend: one table, in which nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

# Distributions by name with their versions; a distribution that is not installed is not there.
Versions = Mapping[str, str]

OPENCVS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
NEEDED = ("torch", "numpy", "pillow", "tqdm")  # of pyproject.toml's dependencies; OpenCV has forms


@dataclass(frozen=True)
class Breakage:
    """What goes wrong with some versions.

    Args:
        found: whether it is there, given the versions.
        says: what goes wrong, in one sentence.
        mend: the command, or what to do.
        stops: whether work here is impossible, not only less than it could be.
    """

    found: Callable[[Versions], bool]
    says: str
    mend: str
    stops: bool = True


def release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with.

    Example:
        >>> release("2.1.0rc4+cu118")
        (2, 1, 0)
    """
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def _at_least(versions: Versions, name: str, version: str) -> bool:
    return name in versions and release(versions[name]) >= release(version)


def _older(versions: Versions, name: str, version: str) -> bool:
    return name in versions and release(versions[name]) < release(version)


def _no_pkg_resources(versions: Versions) -> bool:
    return not _older(versions, "setuptools", "82")


def _lacks(name: str, versions: Versions) -> bool:
    return name not in versions


def _mmseg_lacks(name: str, versions: Versions) -> bool:
    return "mmsegmentation" in versions and name not in versions


BREAKAGES = (
    *(
        Breakage(partial(_lacks, name), f"{name} is missing", f"pip install {name}")
        for name in NEEDED
    ),
    Breakage(
        lambda v: not any(name in v for name in OPENCVS),
        "OpenCV is missing",
        "pip install opencv-python-headless",
    ),
    Breakage(
        lambda v: _older(v, "torch", "2.3"),
        "torch is older than 2.3, which has no torch.compiler.is_compiling",
        'pip install "torch>=2.3", and builds of Detectron2 and mmcv that fit it',
    ),
    Breakage(
        lambda v: "opencv-python" in v or "opencv-contrib-python" in v,
        "this OpenCV wants libGL.so.1, which servers and containers often lack",
        "pip uninstall -y opencv-python opencv-contrib-python && "
        "pip install --force-reinstall opencv-python-headless",
        stops=False,  # where libGL is, it works; where not, the imports below say so
    ),
    Breakage(
        lambda v: (
            _at_least(v, "numpy", "2")
            and _older(v, "torch", "2.4")
            and ("mmcv" in v or "detectron2" in v)
        ),
        "numpy 2 is newer than this torch, mmcv and Detectron2, which were released with numpy 1: "
        "they can be imported, but are not tested together",
        'pip install "numpy<2"',
        stops=False,
    ),
    Breakage(
        lambda v: "detectron2" in v and _no_pkg_resources(v),
        "Detectron2's model zoo imports pkg_resources, which this setuptools lacks",
        'pip install "setuptools<81"',
    ),
    Breakage(
        lambda v: "mmengine" in v and _no_pkg_resources(v),
        "MMEngine imports pkg_resources for configs of the form mmseg::..., "
        "and this setuptools lacks it",
        'pip install "setuptools<81"',
    ),
    Breakage(
        lambda v: v.get("detectron2 imports") == "deeplearning",
        "this Detectron2 imports Meta's internal module deeplearning where it reads or scores "
        "Cityscapes (facebookresearch/detectron2 issue 5436)",
        "pip install --no-build-isolation "
        "git+https://github.com/facebookresearch/detectron2@c69939a, or sal-detectron2==0.7.2",
        stops=False,  # our own names for Cityscapes do not pass there
    ),
    Breakage(
        lambda v: _older(v, "mmengine", "0.10.8") and _at_least(v, "torch", "2.6"),
        "MMEngine 0.10.7 neither resumes nor loads its checkpoints with torch 2.6 or newer, where "
        "torch.load is weights_only (open-mmlab/mmengine issue 1655)",
        'pip install "torch<2.6", or onedl-mmengine instead of mmengine',
    ),
    Breakage(
        lambda v: "mmcv-lite" in v,
        "mmcv-lite has no compiled operators, and MMSegmentation imports them",
        'pip uninstall -y mmcv-lite && pip install "mmcv>=2.0.0rc4,<2.2"',
    ),
    Breakage(
        lambda v: _older(v, "mmsegmentation", "1.2.3") and _at_least(v, "mmcv", "2.2"),
        "MMSegmentation 1.2.2 refuses mmcv 2.2.0 and newer",
        'pip install "mmcv>=2.0.0rc4,<2.2", or onedl-mmsegmentation, onedl-mmcv and onedl-mmengine',
    ),
    *(
        Breakage(
            partial(_mmseg_lacks, name),
            f"MMSegmentation imports {name} without declaring it",
            f"pip install {name}",
        )
        for name in ("ftfy", "regex")
    ),
    Breakage(
        lambda v: "mmsegmentation" in v and not {"mmcv", "mmcv-lite", "onedl-mmcv"} & {*v},
        "MMSegmentation is there without mmcv",
        'pip install "mmcv>=2.0.0rc4,<2.2"',
    ),
    Breakage(
        lambda v: (
            _at_least(v, "torch", "2.14")
            and (_older(v, "mmcv", "2.2") or _older(v, "onedl-mmcv", "2.3.7"))
        ),
        "mmcv 2.1.0 and onedl-mmcv 2.3.6 are built as C++17, too old for the headers of torch "
        "2.14: they cannot be rebuilt",
        'pip install "torch<2.14"',
        stops=False,  # an mmcv that is there was built before
    ),
    Breakage(
        lambda v: "onedl-mmsegmentation" in v and "mmsegmentation" not in v,
        "MMEngine looks for bases of the form mmseg::... in a distribution called mmsegmentation, "
        "and onedl-mmsegmentation does not bear that name: configs with such a base cannot be read",
        "in configs of your own name the file by its path, below the folder .mim/configs of mmseg; "
        "for this project's, install the pinned stack (requirements/all.txt)",
        stops=False,
    ),
)


def find_breakages(versions: Versions) -> list[Breakage]:
    """Those of :data:`BREAKAGES` that these versions have."""
    return [breakage for breakage in BREAKAGES if breakage.found(versions)]
