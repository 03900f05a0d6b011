"""What the docs show is run, and what they name exists.

Doctests are every ``>>>`` of the package. Of the pages a Python block runs if its first line is
``# runs as it stands``.
"""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from snr_plugins.nn import LAYERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
FRAMEWORKS = ("detectron2", "mmengine", "mmcv", "mmseg", "mmpretrain", "torchvision", "timm")
BLOCK = re.compile(r"^```python\n(# runs as it stands\n.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
FILE = re.compile(
    r"(?<![\w/.])(?:tools|configs|benchmarks|tests|docs|requirements|snr_plugins)"
    r"/[\w./-]+\.(?:py|yaml|json|md|txt|in|cff)\b"
)
MODULE = re.compile(r"`(snr_plugins(?:\.\w+)+)`")
KEY = re.compile(r"MODEL\.SNR\.([A-Z_]+)")


def skip_without_framework(error):
    """Skip for a framework that is not installed; raise whatever else it is."""
    missing = (error.name or "").partition(".")[0]
    if missing not in FRAMEWORKS:
        raise error
    pytest.skip(f"needs {missing}, which is not installed here")


def modules_with_examples():
    for path in sorted((ROOT / "snr_plugins").rglob("*.py")):
        if ">>> " in path.read_text():
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def failures_of(test):
    """The report of a doctest; empty if all is well."""
    lines = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=lines.append)
    return "".join(lines)


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_docstrings(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        skip_without_framework(error)
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert tests
    assert not [report for report in map(failures_of, tests) if report]


def test_the_functions_that_people_call_first_have_examples():
    names = {name.removeprefix("snr_plugins.") for name in modules_with_examples()}
    files = ("insertion", "layers", "stage_losses", "calibration")
    assert {f"nn.{name}" for name in files} | {"results.tables", "configs"} <= names


def test_the_check_of_examples_can_fail():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected:\n    3" in failures_of(wrong)


def blocks():
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start(1))
            name = page.relative_to(ROOT).as_posix()
            yield pytest.param(name, line, block[1], id=f"{name}:{line + 1}")


@pytest.mark.parametrize(("name", "line", "code"), blocks())
def test_block_of_a_page_runs(name, line, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whatever it writes
    known = dict(LAYERS)  # an example adds one of its own
    try:
        exec(compile("\n" * line + code, name, "exec"), {"__name__": "__main__"})
    except ModuleNotFoundError as error:
        skip_without_framework(error)
    finally:
        LAYERS.clear()
        LAYERS.update(known)


def test_blocks_are_found_in_the_readme_and_each_guide():
    pages = {block.values[0] for block in blocks()}
    guides = ("install", "detection", "segmentation", "any_network")
    assert {"README.md", *(f"docs/{name}.md" for name in guides)} <= pages


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    links = [link for link in LINK.findall(text) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]
    assert not [file for file in FILE.findall(text) if not (ROOT / file).is_file()]
    for name in MODULE.findall(text):
        assert resolve(name) is not None, name


def resolve(name):
    """The module or attribute of this dotted name; None where there is none."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if error.name.startswith("snr_plugins"):
                continue  # an attribute, perhaps
            skip_without_framework(error)
        for part in parts[count:]:
            found = getattr(found, part, None)
        return found


def test_the_check_of_names_can_fail():
    assert resolve("snr_plugins.nn.insert_snr") is not None
    assert resolve("snr_plugins.nn.inserted") is None
    assert FILE.findall("see tools/nothing.py") == ["tools/nothing.py"]


def test_keys_of_detection_are_all_in_its_table_and_no_others_anywhere():
    config = pytest.importorskip("detectron2.config")
    from snr_plugins.detection import add_snr_config

    cfg = config.get_cfg()
    add_snr_config(cfg)
    pages = {page.name: set(KEY.findall(page.read_text())) for page in PAGES}
    assert pages["detection.md"] == set(cfg.MODEL.SNR)
    assert set.union(*pages.values()) == set(cfg.MODEL.SNR)


def api_pages():
    stems = {path.stem for path in (ROOT / "docs" / "api").glob("*.rst")}
    return sorted(stems - {"index"})


@pytest.mark.parametrize("room", api_pages())
def test_every_public_name_is_on_its_rooms_page(room):
    try:
        module = importlib.import_module(f"snr_plugins.{room}")
    except ModuleNotFoundError as error:
        skip_without_framework(error)
    text = (ROOT / "docs" / "api" / f"{room}.rst").read_text()
    listed = re.findall(r"^\.\. (?:auto\w+|py:data):: (?:snr_plugins\.\w+\.)?(\w+)$", text, re.M)
    elsewhere = {  # shown on the page of the room that they come from
        name for name in getattr(module, "__all__", ())
        if getattr(getattr(module, name), "__module__", "").split(".")[1:2] not in ([], [room])
    }  # fmt: skip
    assert set(getattr(module, "__all__", ())) - elsewhere <= set(listed)


def test_every_room_has_a_page():
    rooms = {path.parent.name for path in (ROOT / "snr_plugins").glob("*/__init__.py")}
    assert {*rooms, "results", "configs"} == set(api_pages())
