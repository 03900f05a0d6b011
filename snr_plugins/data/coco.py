"""A folder of images whose boxes are in one COCO file: read into what the frameworks expect."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

from snr_plugins.data import coco_fields as fields
from snr_plugins.data.boxes import Mends
from snr_plugins.data.coco_boxes import read_annotations
from snr_plugins.data.coco_masks import Size
from snr_plugins.data.images import TRANSPOSED, ImageFile, check_unspoilt, read_image_file
from snr_plugins.errors import InputError

Refuse = Callable[[str], None]


@dataclass(frozen=True)
class Coco:
    """What a COCO file says.

    Args:
        content: in COCO's format, every field in its type; annotation ids are from 1.
        mends: what had to be changed for that; without any, ``content`` is the file's own.
    """

    content: dict
    mends: Mends


def read_coco(
    json_file: str | os.PathLike[str],
    image_root: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    masks: bool = False,
    faults: list[str] | None = None,
) -> Coco:
    """Read a COCO file, and make sure that it and its images can be trained and evaluated on.

    What is refused, mended or left to the framework is a table in ``docs/datasets.md``. A file
    without ``annotations`` passes: it describes unlabelled images.

    Args:
        json_file: boxes in COCO's format.
        image_root: folder that the file's ``file_name`` entries are relative to.
        classes: class names expected in the file, in the order of their ids; None accepts any.
        masks: leave out boxes without a mask, as training masks needs, and make one of the box for
            crowds; else such boxes stay.
        faults: where to put a sentence about each fault; what has one is left out then. None
            raises the first.

    Raises:
        InputError: the first thing wrong, with the file and the entry it was found in.
    """
    json_file, image_root = Path(json_file), Path(image_root)

    def refuse(sentence: str) -> None:
        if faults is None:
            raise InputError(f"{json_file}: {sentence}")
        faults.append(f"{json_file}: {sentence}")

    mends = Mends()
    content = dict(_read_json(json_file, mends))
    content["categories"] = _read_categories(content["categories"], classes, refuse, mends)
    content["images"], sizes = _read_images(content["images"], image_root, refuse, mends)
    if "annotations" in content:
        category_ids = {category["id"] for category in content["categories"]}
        content["annotations"] = read_annotations(
            content["annotations"], sizes, category_ids, masks, refuse, mends
        )
    return Coco(content, mends)


def _read_json(json_file: Path, mends: Mends) -> dict:
    if not json_file.is_file():
        raise InputError(f"The COCO file {json_file} does not exist: check the path.")
    try:
        text = json_file.read_bytes()
        content = json.loads(text)
        encoding = json.detect_encoding(text)
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{json_file} is not readable JSON ({error}): write it again.") from error
    if encoding != "utf-8":
        mends.add(f"the file is {encoding.replace('-sig', ' with a byte order mark')}", "its start")
    for key in ("images", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f"{json_file} lacks the list {key!r}: write it in COCO's format.")
        if not content[key]:
            raise InputError(f"The list {key!r} of {json_file} is empty: add at least one.")
    if not isinstance(content.get("annotations", []), list):
        raise InputError(f"{json_file}: 'annotations' must be a list, or be left out.")
    return content


def _read_entries(
    kind: str, entries: list, key: str, identity: Callable, refuse: Refuse, mends: Mends
) -> list[tuple[str, dict]]:
    """Where and copy of each entry that has an id and a name of its own, under ``key``."""
    read: list[tuple[str, dict]] = []
    place_of: dict[tuple, str] = {}
    for index, entry in enumerate(entries):
        where = f"{kind}[{index}]"
        missing = [k for k in ("id", key) if not isinstance(entry, dict) or k not in entry]
        if missing:
            refuse(f"{where} lacks {', '.join(missing)}: add them.")
            continue
        id_, name = identity(entry["id"]), entry[key]
        if id_ is None:
            refuse(f"{where} has the id {entry['id']!r}: give a whole number.")
        elif not isinstance(name, str) or not name.strip():
            refuse(f"{where} has the {key} {name!r}: give it a text.")
        elif ("id", id_) in place_of:
            refuse(f"{where} repeats the id {id_} of {place_of['id', id_]}: ids must be unique.")
        elif (key, bare := os.path.normpath(name.strip())) in place_of:
            first = place_of[key, bare]
            refuse(f"{where} repeats the {key} {name!r} of {first}: make them one entry.")
        else:
            if type(entry["id"]) is not type(id_):
                mends.add("an id is no whole number and was read as the one that is meant", where)
            place_of["id", id_] = place_of[key, bare] = where
            read.append((where, {**entry, "id": id_}))
    return read


def _read_categories(
    entries: list, classes: Sequence[str] | None, refuse: Refuse, mends: Mends
) -> list[dict]:
    read = _read_entries("categories", entries, "name", fields.whole_number, refuse, mends)
    categories = [category for _, category in read]
    found = [category["name"] for category in sorted(categories, key=lambda entry: entry["id"])]
    if classes is not None and found != list(classes):
        refuse(
            f"it has the {len(found)} classes {', '.join(found)} where the {len(classes)} classes "
            f"{', '.join(classes)} are expected: correct its 'categories'."
        )
    return categories


def _read_images(
    entries: list, image_root: Path, refuse: Refuse, mends: Mends
) -> tuple[list[dict], dict[int | str, Size | None]]:
    """The images, and the (height, width) of each by its id."""
    read = _read_entries("images", entries, "file_name", fields.identity, refuse, mends)
    _settle_names(read, image_root, mends)
    _settle_ids(read, mends)
    paths = [image_root / image["file_name"] for _, image in read]
    missing = [
        image["file_name"]
        for (_, image), path in zip(read, paths, strict=True)
        if not path.is_file()
    ]
    if missing:
        refuse(
            f"{len(missing)} of {len(entries)} images that it names are not in {image_root} "
            f"(first: {missing[0]}): check the image folder."
        )
    with ThreadPool(os.cpu_count() or 1) as pool:
        files = pool.map(_read_file, paths)
    sizes: dict[int | str, Size | None] = {}
    for (where, image), path, file in zip(read, paths, files, strict=True):
        sizes[image["id"]] = None
        if isinstance(file, InputError):
            if path.is_file():
                refuse(f"{where}: {file}")
            continue
        sizes[image["id"]] = file.size
        _read_size(where, image, path, file, refuse, mends)
    return [image for _, image in read], sizes


def _settle_names(read: list[tuple[str, dict]], image_root: Path, mends: Mends) -> None:
    """Write the separators of Windows as everybody's, where a file is found by it."""
    for where, image in read:
        slashed = image["file_name"].replace("\\", "/")
        name_is_found = (image_root / image["file_name"]).is_file()
        if not name_is_found and (image_root / slashed).is_file():
            mends.add("a file_name has \\ for / and was read as meant", where)
            image["file_name"] = slashed


def _settle_ids(read: list[tuple[str, dict]], mends: Mends) -> None:
    """Ids that are numbers and words all become words: Detectron2 sorts them.

    So do numbers of more than 63 bits, which the COCO API would round.
    """
    ids = [image["id"] for _, image in read]
    if len(set(map(type, ids))) > 1:
        found = "numbers and words"
    elif any(isinstance(id_, int) and not -(2**63) <= id_ < 2**63 for id_ in ids):
        found = "numbers of more than 63 bits"
    else:
        return
    for _, image in read:
        image["id"] = str(image["id"])
    mends.add(f"image ids are {found}, and all became words", "images")


def _read_file(path: Path) -> ImageFile | InputError:
    try:
        image = read_image_file(path)
        check_unspoilt(path, image)
    except InputError as error:
        return error
    return image


def _read_size(
    where: str, image: dict, path: Path, file: ImageFile, refuse: Refuse, mends: Mends
) -> None:
    """Make the height and width of an entry those of its file."""
    for key, value in zip(("height", "width"), file.size, strict=True):
        if image.get(key) is None:
            mends.add("height or width is missing and was taken from the file", where)
            image[key] = value
    given = fields.whole_number(image["height"]), fields.whole_number(image["width"])
    if given != file.size:
        shown = f"{where} says that it is {image['width']}x{image['height']} pixels"
        real = f"{file.size[1]}x{file.size[0]}"
        if given == file.stored_size and file.orientation in TRANSPOSED:
            refuse(
                f"{shown}, but {path} is a photograph that is turned to {real} as its EXIF data "
                "asks when it is read: turn the boxes too, or remove the orientation from it."
            )
        else:
            refuse(
                f"{shown}, but {path} is {real}: use the images that the boxes were drawn on, or "
                "correct the size."
            )
    elif not (isinstance(image["height"], int) and isinstance(image["width"], int)):
        mends.add("height or width is of another type and was read as meant", where)
        image["height"], image["width"] = file.size
