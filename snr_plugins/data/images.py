"""An image as the frameworks will read it: judged by its content, whatever its name says.

Detectron2 and MMSegmentation's loader turn a photograph by its EXIF orientation (the latter a WebP
only from OpenCV 4.13 on), drop alpha and convert palettes and CMYK. Grey of 16 bits and turned
TIFFs they spoil, each in its own way.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from snr_plugins.data.png_jpeg import (
    JPEG_SIGNATURE,
    PNG_SIGNATURE,
    is_whole_jpeg,
    png_chunks,
)
from snr_plugins.errors import InputError

ORIENTATION = 0x0112  # of EXIF
TRANSPOSED = (5, 6, 7, 8)  # orientations that swap height and width
# Chunks of a PNG that may hold EXIF, in one of the forms that Pillow reads.
_NOTES = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_WITH_ALPHA = ("LA", "PA", "RGBA")
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
# Formats of which it is known without decoding whether they are whole; Pillow opens no cut WebP.
_WHOLE_BY_STRUCTURE = ("PNG", "JPEG", "MPO", "WEBP")
# What Pillow raises of files that are no image, damaged, or larger than it dares to read.
UNREADABLE = (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError)


@dataclass(frozen=True)
class ImageFile:
    """What a file says of its image.

    Args:
        size: (height, width) after the rotation that EXIF asks for.
        mode: Pillow's.
        orientation: EXIF's, 1 to 8; 1 is upright.
        format: Pillow's name of it.
    """

    size: tuple[int, int]
    mode: str
    orientation: int = 1
    format: str | None = None

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) before rotation."""
        height, width = self.size
        return (width, height) if self.orientation in TRANSPOSED else (height, width)

    @property
    def is_wide_grey(self) -> bool:
        """Whether a pixel is one number of more than 8 bits, as of thermal cameras."""
        return self.mode in ("I", "F") or self.mode.startswith("I;")


def read_image_file(path: Path) -> ImageFile:
    """What an image is. Pixels are not decoded, but of rare formats.

    Raises:
        InputError: the file cannot be read, is no image, or is cut short.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(len(PNG_SIGNATURE))
            if start == PNG_SIGNATURE:
                chunks = png_chunks(file)
                if chunks is None:
                    raise _cut_short(path)
                if not chunks[1] & _NOTES:  # most datasets: a tenth of the time
                    return _of_png_head(chunks[0])
            elif start.startswith(JPEG_SIGNATURE) and not is_whole_jpeg(file):
                raise _cut_short(path)
            file.seek(0)
            with Image.open(file) as image:
                orientation = _orientation(image)
                height, width = image.height, image.width
                if image.format not in _WHOLE_BY_STRUCTURE:
                    image.load()  # rare, and nothing else tells whether they are whole
                if orientation in TRANSPOSED:
                    height, width = width, height
                return ImageFile((height, width), image.mode, orientation, image.format)
    except InputError:  # a ValueError too
        raise
    except UNREADABLE as error:
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "unknown format" if unknown else str(error)
        raise InputError(f"{path} is no readable image ({reason}): mend or remove it.") from error


def read_image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image after the rotation that its EXIF data asks for.

    Raises:
        InputError: the file cannot be read, is no image, is cut short, or is one that
            `check_unspoilt` refuses.
    """
    image = read_image_file(path)
    check_unspoilt(path, image)
    return image.size


def check_unspoilt(path: Path, image: ImageFile) -> None:
    """Make sure that an image is not of the two kinds that the frameworks silently spoil.

    Raises:
        InputError: its pixels are single numbers of more than 8 bits; it is a TIFF that its
            orientation turns.
    """
    if image.format == "TIFF" and image.orientation != 1:
        raise InputError(
            f"{path} is a TIFF with the EXIF orientation {image.orientation}, by which Detectron2 "
            "turns it twice and MMSegmentation once: save it upright."
        )
    if image.is_wide_grey:
        raise InputError(
            f"{path} is grey of more than 8 bits (mode {image.mode}), of which Detectron2 makes "
            "white and MMSegmentation keeps the upper 8 bits: convert it to 8 bits."
        )


def oddities(image: ImageFile) -> list[str]:
    """What the frameworks change when they read an image, which its owner may not expect."""
    found = []
    if image.orientation != 1 and image.format != "TIFF":  # which is refused
        webp = " (by MMSegmentation from OpenCV 4.13 on alone)" if image.format == "WEBP" else ""
        found.append(f"turned or mirrored as EXIF asks{webp}, so labels must fit the turned image")
    if image.mode in _WITH_ALPHA:
        found.append("read without alpha")
    elif image.mode not in ("1", "L", "P", "RGB") and not image.is_wide_grey:
        found.append(f"of mode {image.mode}, converted to RGB")
    return found


def check_whole(path: Path) -> None:
    """Make sure that an image is not cut short, of which OpenCV fills the rest with grey.

    Raises:
        InputError: it is cut short, of no bytes or no image.
    """
    with open(path, "rb") as file:
        start = file.read(len(PNG_SIGNATURE))
        if start == PNG_SIGNATURE:
            whole = png_chunks(file) is not None
        elif start.startswith(JPEG_SIGNATURE):
            whole = is_whole_jpeg(file)
        else:
            read_image_file(path)  # rare
            whole = True
    if not whole:
        raise _cut_short(path)


def check_decodes(path: Path) -> None:
    """Decode an image.

    Raises:
        InputError: it is damaged, or larger than Pillow reads.
    """
    try:
        with Image.open(path) as image:
            image.load()
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large ({error}): make it smaller.") from error
    except UNREADABLE as error:
        raise InputError(f"{path} is damaged ({error}): copy or download it again.") from error


def _of_png_head(head: bytes) -> ImageFile:
    width, height, bits, colour = struct.unpack(">IIBB", head[:10])
    if not width or not height:
        raise ValueError("without width or height")
    mode = "I;16" if (bits, colour) == (16, 0) else _PNG_MODES.get(colour, "")
    return ImageFile((height, width), mode)


def _orientation(image: Image.Image) -> int:
    # As Detectron2's read_image: EXIF that cannot be read turns nothing.
    try:
        value = image.getexif().get(ORIENTATION)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _cut_short(path: Path) -> InputError:
    return InputError(f"{path} is cut short or damaged: copy or download it again.")
