"""Foggy Cityscapes: names and layout as published, fog by the formula, files whole or absent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snr_plugins.data.cityscapes import read_cityscapes
from snr_plugins.data.fog import write_foggy
from snr_plugins.errors import InputError
from tests.trees import HEIGHT, IMAGE_NAMES, WIDTH, write_stereo_tree

ROOT = Path(__file__).parents[2]
FOGS = [name for name in IMAGE_NAMES if name.startswith("foggy")]
STEM = "aachen_000000_000019"


@pytest.fixture
def tree(tmp_path) -> Path:
    return write_stereo_tree(tmp_path / "Städte ü")


def foggy_files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "leftImg8bit_foggy").rglob("*"))
            if path.is_file()}  # fmt: skip


def test_fog_is_the_formula_under_the_published_names(tree):
    assert write_foggy(tree, splits=["val"], progress=False) == (3, 0)
    # The loaders find all three densities of every frame.
    assert len(read_cityscapes(tree, "val", FOGS)) == 9
    for beta in (0.005, 0.01, 0.02):
        name = f"leftImg8bit_foggy/val/aachen/{STEM}_leftImg8bit_foggy_beta_{beta}.png"
        foggy = np.asarray(Image.open(tree / name)).astype(float)
        # I = J t + L (1 - t): at the centre the line of sight is the optical axis.
        t = np.exp(-beta * 20)
        expected = 128 * t + np.array([210, 220, 230]) * (1 - t)
        np.testing.assert_allclose(foggy[HEIGHT // 2, WIDTH // 2], expected, atol=1.0)
        for column in (5, 50):  # the sky is light alone, the cloud in it too
            np.testing.assert_allclose(foggy[2, column], [210, 220, 230], atol=0.5)


def test_two_processes_write_the_same_bytes_elsewhere(tree, tmp_path):
    write_foggy(tree, splits=["val"], progress=False)
    write_foggy(tree, tmp_path / "elsewhere", splits=["val"], workers=2, progress=False)
    assert len(foggy_files(tree)) == 9
    assert foggy_files(tmp_path / "elsewhere") == foggy_files(tree)


@pytest.mark.fault(
    "interruption",
    "Foggy images that are cut short or missing",
    "`make_foggy.py` makes them again and leaves the others as they are",
    tries=2,
)
def test_a_second_call_mends_and_leaves_what_is_whole(tree):
    write_foggy(tree, splits=["val"], betas=[0.01], progress=False)
    files = sorted((tree / "leftImg8bit_foggy").rglob("*.png"))
    assert len(files) == 3
    content = files[0].read_bytes()
    files[0].write_bytes(content[:-30])  # cut short
    files[1].unlink()
    published = Image.new("RGB", (WIDTH, HEIGHT), (1, 2, 3))
    published.save(files[2])
    kept = files[2].read_bytes()
    write_foggy(tree, splits=["val"], progress=False)
    assert files[0].read_bytes() == content
    assert files[2].read_bytes() == kept
    assert len(foggy_files(tree)) == 9


def test_frames_without_labels_are_counted(tree):
    (tree / f"gtFine/val/aachen/{STEM}_gtFine_labelIds.png").unlink()
    assert write_foggy(tree, splits=["val"], progress=False) == (3, 1)


@pytest.mark.parametrize(
    ("break_tree", "message"),
    [
        (lambda f: f["camera"].unlink(), r"19_leftImg8bit\.png has no camera file .*camera\.json"),
        (lambda f: f["disparity"].unlink(), r"19_leftImg8bit\.png has no label .*disparity\.png"),
        (lambda f: f["disparity"].write_bytes(b"no"), r"_disparity\.png is not a PNG"),
        (lambda f: f["image"].write_bytes(f["image"].read_bytes()[:-9]), r"Img8bit\.png is cut"),
        (
            lambda f: Image.fromarray(np.ones((3, 5), np.uint16)).save(f["disparity"]),
            r"leftImg8bit\.png is 96x48 pixels but .*_disparity\.png is 5x3",
        ),
        (
            lambda f: Image.fromarray(np.ones((3, 5), np.uint8)).save(f["labels"]),
            r"leftImg8bit\.png is 96x48 pixels but .*_labelIds\.png is 5x3",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_no_file_is_half_written(tree, break_tree, message):
    folder = f"val/aachen/{STEM}"
    files = {
        "camera": tree / f"camera/{folder}_camera.json",
        "disparity": tree / f"disparity/{folder}_disparity.png",
        "image": tree / f"leftImg8bit/{folder}_leftImg8bit.png",
        "labels": tree / f"gtFine/{folder}_gtFine_labelIds.png",
    }
    break_tree(files)
    with pytest.raises(InputError, match=message):
        write_foggy(tree, splits=["val"], progress=False)
    assert not list(tree.rglob("*.partial"))
    assert not list((tree / "leftImg8bit_foggy").rglob(f"{STEM}*"))


def test_wrong_arguments_are_named(tree):
    with pytest.raises(InputError, match=r"Unknown beta 0\.03: choose from 0\.005, 0\.01, 0\.02"):
        write_foggy(tree, betas=[0.03])
    with pytest.raises(InputError, match="workers is 0"):
        write_foggy(tree, workers=0)
    with pytest.raises(InputError, match=r"leftImg8bit/train does not exist: unpack"):
        write_foggy(tree)


def make_foggy(*arguments: object, limit: str = "") -> subprocess.CompletedProcess:
    command = " ".join(
        f"'{part}'" for part in (sys.executable, ROOT / "tools/make_foggy.py", *arguments)
    )
    return subprocess.run(
        ["bash", "-c", f"{limit} exec {command}"], capture_output=True, text=True, check=False
    )


@pytest.mark.fault(
    "interruption",
    "A full disk and a folder that nobody can write to, for `make_foggy.py`",
    "one sentence, nothing is half-written, and started again it goes on",
    tries=2,
)
@pytest.mark.skipif(sys.platform != "linux", reason="needs ulimit and /proc")
def test_a_full_disk_or_a_folder_that_cannot_be_written_ends_in_one_sentence(tree):
    # A limit of no bytes a file stands for the full disk: the error comes while writing.
    for limit, arguments in (("ulimit -f 0;", []), ("", ["--out", "/proc/nowhere"])):
        done = make_foggy(tree, "--splits", "val", *arguments, limit=limit)
        assert done.returncode == 1
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and "cannot be written" in errors[0]
        assert "Traceback" not in done.stderr
    assert not [path for path in tree.rglob("*foggy*") if path.is_file()]
    done = make_foggy(tree, "--splits", "val")  # and it goes on from there
    assert done.returncode == 0, done.stderr
    assert "3 frames in 3 fogs" in done.stdout


def test_fog_on_the_synthetic_city_is_close_to_true_fog(tmp_path):
    """Disparity matched between two cameras, holes and all; docs/fog.md measures larger images."""
    from benchmarks import fog as measure_fog

    try:
        frames = measure_fog.write_streets(tmp_path, 2, seed=1, size=(512, 256))
    except InputError as error:
        pytest.skip(str(error))  # no OpenGL
    table = measure_fog.mean_of([measure_fog.compare(frame) for frame in frames])
    for beta, limit in (("0.005", 0.03), ("0.01", 0.04), ("0.02", 0.05)):
        completed, unknown, raw = (table[way][beta]["all"] for way in table)
        assert completed < limit
        assert completed < unknown
        assert completed < 0.7 * raw
    write_foggy(tmp_path, splits=["val"], progress=False)
    assert measure_fog.picture_errors(tmp_path, frames)["0.01"] < 5
