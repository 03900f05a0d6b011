"""Which files of a folder are COCO's, and where the images lie that one names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

# Where annotation tools and COCO itself put the file, below a dataset's folder.
PLACES = ("*.json", "annotations/*.json", "*/boxes.json", "*/_annotations.coco.json")
LOOKED_AT = 200  # names of a file, to tell which folder holds its images
_KEYS = (b'"categories"', b'"annotations"')


def coco_files(folder: Path) -> list[Path]:
    """COCO files in a folder, or in folders of splits below it; those cut short too."""
    files = sorted({file for place in PLACES for file in folder.glob(place)})
    return [file for file in files if is_coco(file)]


def is_coco(file: Path) -> bool:
    """Whether a file is meant to be COCO's: by its keys, its name, or as it is no JSON at all."""
    content = file.read_bytes()
    if file.name == "boxes.json" or any(key in content.replace(b"\0", b"") for key in _KEYS):
        return True
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return True
    return False


def image_folder(file: Path, names: Sequence[str]) -> Path:
    """The folder that holds most of the images that a COCO file names (`file_names`).

    Beside the file, in ``images/``, or, as COCO's own ``train2017/`` beside ``annotations/``, in a
    folder near it; of several that hold as many, the one that the file's name has in it.
    """
    near = [file.parent / "images", file.parent]
    for place in (file.parent, file.parent.parent, file.parent.parent / "images"):
        near += sorted(folder for folder in place.glob("*") if folder.is_dir())
    near.append(file.parent.parent)
    found = {
        folder: sum((folder / _slashed(name)).is_file() for name in names[:LOOKED_AT])
        for folder in near
    }
    if not any(found.values()):
        return near[0]
    return max(found, key=lambda folder: (found[folder], folder.name in file.stem))


def file_names(file: Path) -> list[str]:
    """Each name once; none where the file cannot be read."""
    try:
        entries = json.loads(file.read_bytes())["images"]
        return list(dict.fromkeys(str(entry["file_name"]) for entry in entries))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _slashed(name: str) -> str:
    return name.replace("\\", "/").replace("\0", "")
