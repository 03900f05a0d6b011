"""The images of a dataset as a target to adapt to: no label file is opened, none is needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

from snr_plugins.data.conditions import Condition
from snr_plugins.data.images import read_image_size
from snr_plugins.data.layout import Layout
from snr_plugins.data.listing import walk
from snr_plugins.errors import InputError


def list_unlabelled(layout: Layout, root: Path, split: str, hint: str) -> list[Path]:
    """All images of a split in the layout's conditions, sorted by condition and path.

    Args:
        layout: how the dataset lies on disk.
        root: the dataset's folder.
        split: one of the layout's.
        hint: what the reader of the error should do when a folder is missing or empty.

    Raises:
        InputError: a folder is missing or has no image; the split's list names one that is missing.
    """
    found = layout.as_found(root, split)
    stems = found.stems(root, split, hint)
    return [
        path
        for images in found.conditions
        for path in _images(found, images, root / images.folder_of(split), stems, hint)
    ]


def records_of_images(images: Iterable[Path]) -> list[dict]:
    """``file_name``, ``image_id``, ``height`` and ``width`` of each; no annotations.

    Raises:
        InputError: an image cannot be read.
    """
    images = list(images)
    with ThreadPool(os.cpu_count() or 1) as pool:
        sizes = pool.map(read_image_size, images)
    return [
        {"file_name": str(path), "image_id": str(path), "height": height, "width": width}
        for path, (height, width) in zip(images, sizes, strict=True)
    ]


def _images(
    layout: Layout, images: Condition, folder: Path, stems: list[str] | None, hint: str
) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist: {hint}.")
    if stems is not None:
        for stem in stems:
            path = folder / f"{stem}{images.suffix}"
            if not path.is_file():
                raise InputError(f"{path} does not exist: unpack the images again.")
            yield path
        return
    paths = [
        path
        for path in walk(folder, levels=1 if layout.nested else 0)
        if path.name.endswith(images.suffix)
        and path.name.removesuffix(images.suffix) not in layout.left_out
    ]
    if not paths:
        raise InputError(f"No file *{images.suffix} lies in {folder}: {hint}.")
    yield from paths
