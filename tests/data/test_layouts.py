"""The one table of layouts: names by hand, counts as published; nobody spells them again."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from snr_plugins.data import file_kinds
from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.layouts import CITYSCAPES_IN, LAYOUTS
from tests.trees import IMAGE_NAMES

ROOT = Path(__file__).parents[2]
TABLES = ("conditions.py", "file_kinds.py")
NAME_OF_A_FILE = re.compile(r"(leftImg8bit|gtFine|disparity|camera|depth)\w*(/|\.png|\.json)")


def test_the_experiments_exist():
    for layout in LAYOUTS.values():
        for use in layout.experiments:
            pattern = use.split(" of ")[1]
            assert list(ROOT.glob(pattern)), use


def test_published_counts():
    """As their papers have them."""
    counts = {name: list(layout.splits.values()) for name, layout in LAYOUTS.items()}
    assert counts["cityscapes"] == counts["foggy_cityscapes_beta_0.02"] == [2975, 500]
    assert counts["foggy_cityscapes_all"] == [8925, 1500]
    assert [counts[name] for name in ("kitti", "sim10k", "gta5", "synthia")] == [
        [7481],
        [10000],
        [24966],
        [9400],
    ]


def test_a_cross_city_split_is_two_folders():
    layout = LAYOUTS["cross_city"]
    assert layout.conditions[0].folder_of("Rio/Test") == "Rio/Images/Test"
    assert layout.labels.folder_of("Rio/Test") == "Rio/Labels/Test"


def test_any_folder_in_cityscapes_layout_has_one_condition_and_no_published_count():
    assert list(CITYSCAPES_IN) == list(CONDITIONS)
    for name, layout in CITYSCAPES_IN.items():
        folder, suffix = IMAGE_NAMES[name]
        (images,) = layout.conditions
        assert (images.folder_of("val"), images.suffix) == (f"{folder}/val", suffix)
        assert (layout.name, layout.splits) == ("cityscapes_layout", {})


def test_a_layout_can_be_cut_down_to_some_conditions():
    layout = LAYOUTS["synthetic_city"].only(("rain",))
    assert layout.conditions == (CONDITIONS["rain"],)
    assert layout.folder == "synthetic_city"


def test_a_frames_files_in_cityscapes_layout():
    stem = "ulm_000000_000019"
    path = file_kinds.DISPARITY.path("data", "train", "ulm", stem)
    assert path == Path(f"data/disparity/train/ulm/{stem}_disparity.png")
    path = file_kinds.CAMERA.path("data", "train", "ulm", stem)
    assert path == Path(f"data/camera/train/ulm/{stem}_camera.json")
    path = CONDITIONS["night"].path("data", "train", "ulm", stem)
    assert path == Path(f"data/leftImg8bit_night/train/ulm/{stem}_leftImg8bit_night.png")


def names_of_files(source: str) -> list[str]:
    """Strings that spell a folder or an ending of Cityscapes, docstrings left out."""
    tree = ast.parse(source)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]
    return [text for text in texts if NAME_OF_A_FILE.search(text)]


def test_names_of_files_are_spelt_in_the_tables_alone():
    modules = [path for path in (ROOT / "snr_plugins").rglob("*.py") if path.name not in TABLES]
    found = {path.name: names_of_files(path.read_text()) for path in modules}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_the_check_of_names_can_fail():
    found = names_of_files("label = root / 'gtFine/val' / '_gtFine_labelIds.png'")
    assert sorted(found) == ["_gtFine_labelIds.png", "gtFine/val"]
