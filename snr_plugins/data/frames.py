"""Images and the label file of each, as the readers of all layouts list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from snr_plugins.data.file_kinds import FileKind
from snr_plugins.data.listing import differs_in_case, is_image, walk
from snr_plugins.errors import InputError


@dataclass(frozen=True)
class Frame:
    """An image, its label file, and the stem that both names begin with."""

    stem: str
    image: Path
    label: Path


def list_frames(
    root: Path,
    split: str,
    images: FileKind,
    labels: FileKind,
    nested: bool,
    hint: str,
    stems: Sequence[str] | None = None,
) -> list[Frame]:
    """All images of a split with their labels, sorted by path.

    What is left out, see `snr_plugins.data.listing`.

    Args:
        root: the dataset's folder.
        split: as the folders of ``images`` and ``labels`` want it.
        images, labels: the two kinds of files; both folders must exist.
        nested: whether the files lie in one folder per city below the two.
        hint: what the reader of the error should do when a folder is missing or empty.
        stems: the frames that count; None for all.

    Raises:
        InputError: a folder is missing; there is no image; one lacks its label, or differs from
            the suffix in upper and lower case alone, so that a loader would not see it, or is of
            another kind than the others, and labelled; one of ``stems`` has no image.
    """
    image_dir, label_dir = root / images.folder_of(split), root / labels.folder_of(split)
    for folder in (image_dir, label_dir):
        if not folder.is_dir():
            raise InputError(f"The folder {folder} does not exist: {hint}.")
    frames = []
    wanted = None if stems is None else set(stems)
    for image in walk(image_dir, levels=1 if nested else 0):
        if differs_in_case(image, images.suffix):
            raise InputError(
                f"{image} should end in {images.suffix}: rename it, case by case the same."
            )
        if not image.name.endswith(images.suffix):
            _check_is_no_frame(image, images, label_dir / f"{image.stem}{labels.suffix}")
            continue
        stem = image.name.removesuffix(images.suffix)
        if wanted is not None and stem not in wanted:
            continue
        city = image.parent.name if nested else ""
        label = label_dir / city / f"{stem}{labels.suffix}"
        if not label.is_file():
            raise InputError(f"{image} has no label {label}: add the label or remove the image.")
        frames.append(Frame(stem, image, label))
    if not frames:
        pattern = f"<city>/*{images.suffix}" if nested else f"*{images.suffix}"
        raise InputError(f"No file {pattern} lies in {image_dir}: {hint}.")
    if wanted is not None and len(frames) < len(wanted):
        missing = sorted(wanted - {frame.stem for frame in frames})
        raise InputError(
            f"{len(missing)} of {len(wanted)} frames that the split {split} lists have no image in "
            f"{image_dir}, the first of them {missing[0]}{images.suffix}: unpack the images again."
        )
    return frames


def _check_is_no_frame(image: Path, images: FileKind, label: Path) -> None:
    """Another image beside the frames, such as a JPEG among PNGs, has no label that they lack."""
    as_others = image.with_name(image.stem + images.suffix)
    if is_image(image) and label.is_file() and not as_others.is_file():
        raise InputError(
            f"{image} has the label {label} but does not end in {images.suffix}, so no loader sees "
            "it: convert it, or remove both."
        )


def check_same_size(
    image: Path, image_size: tuple[int, ...], label: Path, label_size: tuple[int, ...]
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
