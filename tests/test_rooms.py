"""Which part of the project may import which: as DESIGN draws it, with no arrow running back."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "snr_plugins"

# A room, and the rooms of ours that it may use.
ARROWS = {
    "errors": (),
    "nn": ("errors",),
    "data": ("errors",),
    "results": ("data", "errors"),
    "city": ("results", "data", "errors"),
    "configs": ("errors",),
    "openmmlab": ("results", "data", "nn", "configs", "errors"),
    "detection": ("results", "data", "nn", "configs", "errors"),
    "segmentation": ("openmmlab", "results", "data", "nn", "errors"),
    "classification": ("openmmlab", "results", "data", "nn", "errors"),
    "doctor": ("data", "nn"),
    "train": ("detection", "segmentation", "classification", "openmmlab", "configs", "errors"),
}
OUTSIDE = ("tools", "benchmarks", "tests")  # of the package; it imports none of them
FRAMEWORKS = ("detectron2", "mmengine", "mmcv", "mmseg", "mmpretrain")
# A room, and what must not come along when it is imported alone, in a fresh process.
WITHOUT = {
    "nn": FRAMEWORKS,
    "data": (*FRAMEWORKS, "torch", "moderngl"),
    "city": (*FRAMEWORKS, "torch"),
    "results": (*FRAMEWORKS, "torch"),
    "configs": (*FRAMEWORKS, "torch"),
    "doctor": FRAMEWORKS,
    "openmmlab": ("detectron2", "mmseg", "mmpretrain"),
    "segmentation": ("detectron2", "mmpretrain"),
    "classification": ("detectron2", "mmseg"),
    "detection": ("mmengine", "mmcv", "mmseg", "mmpretrain"),
}


def modules():
    """Name and source of every module of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path.read_text()


def imports_of(source):
    """Every module that a source names in an import, even one inside a function or for types."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def room_of(module):
    """``data`` of ``snr_plugins.data.files``; ``tools`` of ``tools.demo``."""
    first, _, rest = module.partition(".")
    return rest.partition(".")[0] if first == "snr_plugins" else first


def forbidden_arrows(name, source):
    """What a module of the package imports and should not."""
    room = room_of(name)
    ours = {room_of(m) for m in imports_of(source)} & {*ARROWS, *OUTSIDE}
    return ours - {room, *ARROWS[room]}


def test_every_room_is_drawn():
    assert {room_of(name) for name, _ in modules()} - {""} == set(ARROWS)


@pytest.mark.parametrize("room", ARROWS)
def test_no_arrow_runs_back(room):
    wrong = {n: forbidden_arrows(n, source) for n, source in modules() if room_of(n) == room}
    assert not {name: found for name, found in wrong.items() if found}


def test_the_check_of_arrows_can_fail():
    for source in (
        "from snr_plugins.detection import Run",
        "def f():\n    import snr_plugins.city.writer",
        "from tools import panel",
        "from tests.trees import PAINTED",
    ):
        assert forbidden_arrows("snr_plugins.openmmlab.stamp", source), source
    assert not forbidden_arrows("snr_plugins.openmmlab.stamp", "from snr_plugins.nn import SNR")


def test_tools_and_benchmarks_leave_the_tests_alone():
    for folder in ("tools", "benchmarks"):
        for path in (ROOT / folder).glob("*.py"):
            assert not {room_of(m) for m in imports_of(path.read_text())} & {"tests"}, path


def import_graph():
    """Each module of the package and the modules of the package that it imports."""
    sources = {n: s for n, s in modules() if (ROOT / f"{n.replace('.', '/')}.py").is_file()}
    return {name: imports_of(source) & sources.keys() for name, source in sources.items()}


def test_modules_import_in_one_direction():
    TopologicalSorter(import_graph()).prepare()


def test_the_check_of_directions_can_fail():
    graph = import_graph()
    graph["snr_plugins.city.traffic"] |= imports_of(
        "if TYPE_CHECKING:\n    from snr_plugins.city.street import build_street"
    )
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def loaded_by(room, forbidden):
    """Those of ``forbidden`` that importing all modules of ``room`` loads."""
    names = ", ".join(
        name
        for name, _ in modules()
        if room_of(name) == room and not name.endswith(("kernels", "renderer"))
    )
    code = f"import sys, {names}; print(*(m for m in {forbidden!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("room", WITHOUT)
def test_rooms_load_no_framework_that_is_not_theirs(room):
    needs = {"detection": "detectron2", "classification": "mmpretrain"}
    if room in ("detection", "openmmlab", "segmentation", "classification"):
        pytest.importorskip(needs.get(room, "mmseg"))
    assert loaded_by(room, WITHOUT[room]) == []


def test_the_check_of_frameworks_can_fail():
    assert loaded_by("nn", ("torch", "mmseg")) == ["torch"]
