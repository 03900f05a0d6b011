"""Any folder of images, without labels: a target domain to adapt to."""

from __future__ import annotations

import os
from pathlib import Path

from snr_plugins.data.listing import IMAGE_SUFFIXES, is_image, walk
from snr_plugins.data.unlabelled import records_of_images
from snr_plugins.errors import InputError


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """All images in a folder and the folders below it, sorted; upper-case endings too.

    What is left out, see `snr_plugins.data.listing`.

    Raises:
        InputError: the folder is missing, cannot be read, or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist: check the path.")
    images = [path for path in walk(folder) if is_image(path)]
    if not images:
        raise InputError(f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}): check the path.")
    return images


def read_image_folder(folder: str | os.PathLike[str]) -> list[dict]:
    """One record per image: as `snr_plugins.data.cityscapes.read_cityscapes`, without boxes.

    Raises:
        InputError: the folder is missing or empty, or an image is damaged.
    """
    images = list_images(folder)
    return [
        {**record, "image_id": image.relative_to(folder).as_posix(), "annotations": []}
        for image, record in zip(images, records_of_images(images), strict=True)
    ]
