"""Checks of a folder of images whose boxes are in one COCO file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

from snr_plugins.errors import InputError

IMAGE_KEYS = ("id", "file_name", "height", "width")
# COCO's evaluation reads the last two of every box.
ANNOTATION_KEYS = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")


def check_coco_folder(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
) -> None:
    """Make sure that a COCO file and its images can be trained and evaluated on.

    A file without ``annotations`` passes: it describes unlabelled images.

    Args:
        json_file: boxes in COCO's format.
        image_root: folder that the file's ``file_name`` entries are relative to.
        classes: class names expected in the file, in the order of their ids; None accepts any.

    Raises:
        InputError: the first thing wrong, with the file and the entry it was found in.
    """
    json_file, image_root = Path(json_file), Path(image_root)
    content = _read_json(json_file)
    _check_categories(json_file, content["categories"], classes)
    _check_images(json_file, content["images"], image_root)
    _check_annotations(json_file, content)


def _read_json(json_file: Path) -> dict:
    if not json_file.is_file():
        raise InputError(f"The COCO file {json_file} does not exist: check the path.")
    try:
        content = json.loads(json_file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(f"{json_file} is not readable JSON ({error}): write it again.") from error
    for key in ("images", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{json_file} lacks the list {key!r}: write it in COCO's format.")
        if not content[key]:
            raise InputError(f"The list {key!r} of {json_file} is empty: add at least one.")
    if not isinstance(content.get("annotations", []), list):
        raise InputError(f"{json_file}: 'annotations' must be a list, or be left out.")
    return content


def _check_entries(json_file: Path, kind: str, entries: list, keys: Sequence[str]) -> set:
    """The ids of the entries, once all have the keys and no id comes twice."""
    ids = set()
    for index, entry in enumerate(entries):
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise InputError(f"{json_file}: {kind}[{index}] lacks {', '.join(missing)}: add them.")
        if entry["id"] in ids:
            raise InputError(
                f"{json_file}: {kind}[{index}] repeats the id {entry['id']}: ids must be unique."
            )
        ids.add(entry["id"])
    return ids


def _check_categories(json_file: Path, categories: list, classes: Sequence[str] | None) -> None:
    _check_entries(json_file, "categories", categories, ("id", "name"))
    found = [category["name"] for category in sorted(categories, key=lambda entry: entry["id"])]
    if classes is not None and found != list(classes):
        raise InputError(
            f"{json_file} has the {len(found)} classes {', '.join(found)} where the "
            f"{len(classes)} classes {', '.join(classes)} are expected: correct its 'categories'."
        )


def _check_images(json_file: Path, images: list, image_root: Path) -> None:
    _check_entries(json_file, "images", images, IMAGE_KEYS)
    names = [image["file_name"] for image in images]
    missing = [name for name in names if not (image_root / name).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(names)} images named in {json_file} are not in {image_root} "
            f"(first: {missing[0]}): check the image folder."
        )


def _check_annotations(json_file: Path, content: dict) -> None:
    annotations = content.get("annotations", [])
    _check_entries(json_file, "annotations", annotations, ANNOTATION_KEYS)
    image_ids = {image["id"] for image in content["images"]}
    category_ids = {category["id"] for category in content["categories"]}
    for index, annotation in enumerate(annotations):
        where = f"{json_file}: annotations[{index}]"
        if annotation["image_id"] not in image_ids:
            raise InputError(
                f"{where} names the image {annotation['image_id']}, which 'images' does not list: "
                "add the image or remove the box."
            )
        if annotation["category_id"] not in category_ids:
            raise InputError(
                f"{where} has the category {annotation['category_id']}, which 'categories' does "
                "not list: add the category or remove the box."
            )
        if annotation.get("ignore"):
            raise InputError(f"{where} is marked 'ignore': mark it 'iscrowd' or remove it.")
        if not _is_box(annotation["bbox"]):
            raise InputError(
                f"{where} has the box {annotation['bbox']}: give [x, y, width, height] in pixels, "
                "none of the last two negative."
            )


def _is_box(box: object) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in box)
        and box[2] >= 0
        and box[3] >= 0
    )
