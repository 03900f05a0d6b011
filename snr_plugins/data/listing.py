"""Which files of a folder count: the one rule of readers and checks.

Links are followed, and names that begin with a dot are left out, files and folders alike: they are
other programs' notes, and half-written files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from snr_plugins.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp", ".tif", ".tiff")


def walk(
    folder: Path, levels: int | None = None, faults: list[str] | None = None
) -> Iterator[Path]:
    """The files of a folder, sorted by path; a link to nothing is one of them.

    Args:
        folder: must exist.
        levels: of folders between ``folder`` and the files: 0 for its own files alone, 1 for those
            in one folder per city. None for the files at any depth.
        faults: where to put a sentence about each folder that cannot be read; None raises it.

    Raises:
        InputError: the folder, or one in it, cannot be read.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        sentence = f"The folder {folder} cannot be read ({error.strerror}): check its permissions."
        if faults is None:
            raise InputError(sentence) from error
        faults.append(sentence)
        return
    for name in names:
        path = Path(folder, name)
        if name.startswith("."):
            continue
        if not os.path.isdir(path):
            if levels in (0, None):
                yield path
        elif levels is None:
            yield from walk(path, None, faults)
        elif levels > 0:
            yield from walk(path, levels - 1, faults)


def is_image(path: Path) -> bool:
    """Whether a name ends as that of an image, in upper or lower case."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def differs_in_case(path: Path, suffix: str) -> bool:
    """Whether a name would end in the suffix but for upper and lower case."""
    return not path.name.endswith(suffix) and path.name.lower().endswith(suffix.lower())


def read_stems(path: Path, hint: str) -> list[str]:
    """The names of a split's list, one a line.

    Args:
        path: a text file.
        hint: what the reader of the error should do when it is missing.

    Raises:
        InputError: it is missing, no text, empty, or has a name twice.
    """
    if not path.is_file():
        raise InputError(f"The list {path} does not exist: {hint}.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} is no readable text ({error}): copy it again.") from error
    stems = [line.strip() for line in lines if line.strip()]
    if not stems:
        raise InputError(f"The list {path} is empty: copy it again.")
    known: set[str] = set()
    for stem in stems:
        if stem in known:
            raise InputError(f"{path} names {stem} twice: remove one of the two lines.")
        known.add(stem)
    return stems


def spelt_as_in(root: Path, folder: str) -> str:
    """A folder below ``root`` as it is spelt there: names may differ in case, and in - for _."""
    spelt: list[str] = []
    for name in folder.split("/"):
        here = Path(root, *spelt)
        if not (here / name).is_dir() and here.is_dir():
            others = sorted(path.name for path in here.iterdir() if path.is_dir())
            name = next((other for other in others if _bare(other) == _bare(name)), name)
        spelt.append(name)
    return "/".join(spelt)


def _bare(name: str) -> str:
    return name.lower().replace("-", "_")
