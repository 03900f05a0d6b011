"""Which part of the package may import which: each is imported alone, in a fresh process."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

FRAMEWORKS = ("detectron2", "mmengine", "mmcv", "mmseg")

PACKAGE = Path(__file__).parents[1] / "snr_plugins"


def modules_of(room):
    """All modules of a room, to be imported together."""
    paths = sorted((PACKAGE / room).rglob("*.py"))
    names = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in paths]
    return ", ".join(name.removesuffix(".__init__") for name in names)


FORBIDDEN = {
    "snr_plugins.nn": (*FRAMEWORKS, "snr_plugins.data", "snr_plugins.detection", "tools"),
    # Data reads; the city makes, and may use data.
    modules_of("data"): (
        *FRAMEWORKS,
        "torch",
        "moderngl",
        "snr_plugins.nn",
        "snr_plugins.city",
        "snr_plugins.detection",
        "tools",
    ),
    "snr_plugins.city": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
    "snr_plugins.results": (*FRAMEWORKS, "torch", "snr_plugins.nn", "tools"),
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
    assert loaded_by("snr_plugins.city.files", ("snr_plugins.city",)) == ["snr_plugins.city"]
    assert loaded_by("snr_plugins.detection", ("detectron2", "mmseg")) == ["detectron2"]


def imports_of(source):
    """Our own modules that a source names in an import, even one for types alone."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
    names = {node.module for node in nodes}
    names |= {f"{node.module}.{alias.name}" for node in nodes for alias in node.names}
    return {name for name in names if name.startswith("snr_plugins.")}


def import_graph():
    """Each module of the package and the modules of the package that it imports."""
    source_of = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path.read_text()
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py"
    }
    return {name: imports_of(source) & source_of.keys() for name, source in source_of.items()}


def test_modules_import_in_one_direction():
    TopologicalSorter(import_graph()).prepare()


def test_the_check_of_directions_can_fail():
    back = imports_of("if TYPE_CHECKING:\n    from snr_plugins.city.street import build_street")
    graph = import_graph()
    graph["snr_plugins.city.traffic"] |= back
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
