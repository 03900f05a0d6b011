"""Files that nobody vouches for: they run no code by our hand, and name no place to write to."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from weights import check_file

from snr_plugins.data.coco import read_coco
from snr_plugins.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
# What runs code that a file holds, or a shell. Calls by their full name; of torch.load also how.
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "shelve.open",
    "dill.load", "joblib.load", "pandas.read_pickle", "yaml.load", "yaml.unsafe_load",
    "yaml.full_load", "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip


def dangers(source):
    """Lines of a module that call what is forbidden, with the name."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if (
            name in FORBIDDEN
            or (name == "torch.load" and options.get("weights_only") != "True")
            or options.get("shell", "False") != "False"
            or options.get("allow_pickle", "False") != "False"
        ):
            yield node.lineno, name


@pytest.mark.fault(
    "security",
    "All modules of the package, the tools and the benchmarks searched for calls that run what a "
    "file holds: pickle, `eval`, a shell, `torch.load` without `weights_only`",
    "there is none",
)
@pytest.mark.parametrize("folder", ["snr_plugins", "tools", "benchmarks"])
def test_no_module_runs_what_a_file_or_a_shell_says(folder):
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := list(dangers(path.read_text())))
    }
    assert not found


def test_the_check_of_modules_can_fail():
    for source in (
        "import pickle\npickle.load(file)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "subprocess.run(text, shell=True)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
    ):
        assert list(dangers(source)), source
    assert not list(dangers("torch.load(path, weights_only=True)\nmodel.eval()\nre.compile(x)"))


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.fault(
    "security",
    "A checkpoint that makes a file when it is unpickled",
    "`tools/shrink_checkpoint.py` and the check of a detector's before it is looked at or exported "
    "refuse it, the checks before `--resume` and `--eval-only` pass over it; its code does not run",
)
def test_a_checkpoint_runs_no_code_in_our_tools(tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"model": Trap(sprung)}, tmp_path / "trap.pth")
    done = subprocess.run(
        [sys.executable, ROOT / "tools/shrink_checkpoint.py", "trap.pth", "small.pth"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "holds more than weights" in done.stderr and done.stderr.count("\n") == 1
    assert not sprung.exists()
    torch.load(tmp_path / "trap.pth", weights_only=False)
    assert sprung.exists()  # so it can


@pytest.mark.fault(
    "security",
    "A checkpoint that makes a file when it is unpickled",
    "`tools/shrink_checkpoint.py` and the check of a detector's before it is looked at or exported "
    "refuse it, the checks before `--resume` and `--eval-only` pass over it; its code does not run",
)
def test_a_checkpoint_runs_no_code_before_it_is_looked_at_or_exported(tmp_path):
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pth"
    torch.save({"model": Trap(sprung)}, path)
    with pytest.raises(InputError, match="trap.pth is damaged, or holds more than weights"):
        check_file(torch.nn.Linear(1, 1), str(path))
    assert not sprung.exists()


@pytest.mark.fault(
    "security",
    "A checkpoint that makes a file when it is unpickled",
    "`tools/shrink_checkpoint.py` and the check of a detector's before it is looked at or exported "
    "refuse it, the checks before `--resume` and `--eval-only` pass over it; its code does not run",
)
def test_a_checkpoint_runs_no_code_before_resuming(tmp_path):
    pytest.importorskip("detectron2")
    from detectron2.config import get_cfg

    from snr_plugins.detection.checkpoint_checks import check_resumed, check_tested

    sprung = tmp_path / "sprung"
    torch.save({"model": Trap(sprung)}, tmp_path / "model.pth")
    (tmp_path / "last_checkpoint").write_text("model.pth")
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path)
    check_resumed(cfg)
    cfg.MODEL.WEIGHTS = str(tmp_path / "model.pth")
    check_tested(cfg)
    assert not sprung.exists()


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.fault(
    "security",
    "A COCO file whose `file_name` points out of the image folder, with `/` and with `\\`",
    "evaluation writes to its own folder alone, and what is pointed at stays as it was",
)
@pytest.mark.parametrize(
    "name", ["../outside/a.png", "..\\outside\\a.png", "b/../../outside/a.png"]
)
def test_nothing_is_written_where_a_coco_file_points(tmp_path, name, monkeypatch):
    pytest.importorskip("detectron2")
    from detectron2.data import DatasetCatalog, MetadataCatalog

    from snr_plugins.detection.datasets import register_coco_folder
    from snr_plugins.detection.evaluation import coco_evaluator

    inside, outside, out = (tmp_path / n for n in ("data/images", "data/outside", "out"))
    for folder in (inside / "b", outside, out):
        folder.mkdir(parents=True)
    Image.new("RGB", (40, 30)).save(outside / "a.png")
    box = {"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9], "iscrowd": 0}
    content = {
        "images": [{"id": 0, "file_name": name, "width": 40, "height": 30}],
        "annotations": [box],  # id 0: mended, so that a copy of the file is written
        "categories": [{"id": 1, "name": "car"}],
    }
    (tmp_path / "data/boxes.json").write_text(json.dumps(content))
    before = files_in(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(out))
    dataset = "test_security"
    register_coco_folder(dataset, str(tmp_path / "data/boxes.json"), str(inside))
    try:
        (record,) = DatasetCatalog.get(dataset)
        assert Path(record["file_name"]).samefile(outside / "a.png")
        evaluator = coco_evaluator(dataset, str(out))
        evaluator.reset()
        evaluator.evaluate()
    finally:
        DatasetCatalog.remove(dataset)
        MetadataCatalog.remove(dataset)
    after = files_in(tmp_path)
    assert {p for p in after if not p.is_relative_to(out)} == set(before)
    assert all(after[path] == content for path, content in before.items())
    assert read_coco(tmp_path / "data/boxes.json", inside).mends
