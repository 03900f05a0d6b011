"""Images and the label file of each, as the readers of all layouts list them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from snr_plugins.errors import InputError


@dataclass(frozen=True)
class Frame:
    """An image, its label file, and the stem that both names begin with."""

    stem: str
    image: Path
    label: Path


def list_frames(
    image_dir: Path,
    image_suffix: str,
    label_dir: Path,
    label_suffix: str,
    nested: bool,
    mend: str,
) -> list[Frame]:
    """All images of a folder with their labels, sorted by path.

    Args:
        image_dir, label_dir: folders that must exist.
        image_suffix, label_suffix: what follows the stem in a file name.
        nested: whether the files lie in one folder per city below the two.
        mend: what the reader of the error should do when a folder is missing or empty.

    Raises:
        InputError: a folder is missing; there is no image; one lacks its label, or differs from
            the suffix in upper and lower case alone, so that a loader would not see it.
    """
    for folder in (image_dir, label_dir):
        if not folder.is_dir():
            raise InputError(f"The folder {folder} does not exist: {mend}.")
    frames = []
    for image in sorted(image_dir.glob("*/*" if nested else "*")):
        if not image.name.endswith(image_suffix):
            if image.name.lower().endswith(image_suffix.lower()):
                raise InputError(
                    f"{image} should end in {image_suffix}: rename it, case by case the same."
                )
            continue
        stem = image.name.removesuffix(image_suffix)
        city = image.parent.name if nested else ""
        label = label_dir / city / f"{stem}{label_suffix}"
        if not label.is_file():
            raise InputError(f"{image} has no label {label}: add the label or remove the image.")
        frames.append(Frame(stem, image, label))
    if not frames:
        pattern = f"<city>/*{image_suffix}" if nested else f"*{image_suffix}"
        raise InputError(f"No file {pattern} lies in {image_dir}: {mend}.")
    return frames


def check_same_size(
    image: Path, image_size: tuple[int, int], label: Path, label_size: tuple[int, int]
) -> None:
    """Make sure that an image and what belongs to it have one (height, width).

    Raises:
        InputError: they differ.
    """
    if tuple(image_size) != tuple(label_size):
        raise InputError(
            f"{image} is {image_size[1]}x{image_size[0]} pixels but {label} is "
            f"{label_size[1]}x{label_size[0]}: both must come from the same frame and size."
        )
