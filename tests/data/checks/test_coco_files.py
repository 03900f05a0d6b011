"""Where COCO files and their images lie, in the trees that annotation tools leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from snr_plugins.data.checks.coco_files import coco_files, file_names, image_folder, is_coco


def write(path: Path, *names: str, images: Path | None = None) -> Path:
    """A COCO file at ``path``, and the images that it names, if they are wanted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    path.write_text(json.dumps({"images": entries, "annotations": [], "categories": []}))
    for name in names if images else ():
        file = Path(images, name.replace("\\", "/"))
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(file)
    return path


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("boxes.json", "images"),
        ("boxes.json", "."),
        ("boxes.json", "frames"),
        ("train/_annotations.coco.json", "train"),  # Roboflow
        ("day/boxes.json", "day/images"),
        ("annotations/instances_val2017.json", "val2017"),  # COCO
        ("annotations/instances_val2017.json", "images/val2017"),
        ("annotations/instances.json", "images"),
        ("annotations/instances.json", "."),
    ],
)
def test_the_images_of_a_file_are_found(tmp_path, file, images):
    path = write(tmp_path / file, "1.jpg", "sub\\2.jpg", images=tmp_path / images)
    assert coco_files(tmp_path) == [path]
    assert image_folder(path, file_names(path)).resolve() == (tmp_path / images).resolve()


def test_of_several_folders_the_one_that_the_file_names_is_taken(tmp_path):
    for split in ("test", "train", "val"):
        write(tmp_path / f"annotations/{split}.json", "1.jpg", images=tmp_path / split)
    for path in coco_files(tmp_path):
        assert image_folder(path, file_names(path)).name == path.stem


def test_one_image_that_is_missing_does_not_hide_the_others(tmp_path):
    path = write(tmp_path / "boxes.json", "1.jpg", "2.jpg", "3.jpg", images=tmp_path)
    (tmp_path / "1.jpg").unlink()
    assert image_folder(path, file_names(path)) == tmp_path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.json", b'{"categories": []}', True),
        ("a.json", '{"categories": []}'.encode("utf-16"), True),
        ("a.json", b'{"images": [], "annotations": [{"id": 1, ', True),  # cut short
        ("a.json", b'{"images": [{"id"', True),
        ("a.json", b"", True),
        ("boxes.json", b"[]", True),
        ("stats.json", b"[]", False),  # what converters leave
        ("results.json", b'[{"image_id": 1, "bbox": [1, 2, 3, 4]}]', False),
    ],
)
def test_what_is_meant_to_be_coco(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    assert is_coco(tmp_path / name) == expected
