"""Files that are whole or absent: how they are written, and how that is checked."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from snr_plugins.data.png_jpeg import PNG_SIGNATURE, is_whole_png, png_chunks
from snr_plugins.errors import InputError

PNG_LEVEL = 2  # fast; a level of 9 saves a tenth of the size and takes ten times as long
ONE_ID_PER_PIXEL = ("L", "P", "I;16", "I")  # Pillow's modes; P by index, whatever the palette


def read_png_size(path: Path) -> tuple[int, int]:
    """(height, width) of a PNG that is whole; its pixels are not decoded.

    Raises:
        InputError: the file cannot be read, is no PNG, or is cut short.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
                raise InputError(f"{path} is not a PNG image: copy or download it again.")
            chunks = png_chunks(file)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the file.") from error
    if chunks is None:
        raise InputError(f"{path} is cut short or damaged: copy or download it again.")
    width, height = struct.unpack(">II", chunks[0][:8])
    return height, width


def decode_ids(content: bytes, name: str | Path, in_red_channel: bool = False) -> np.ndarray:
    """The ids in a label image as they are stored: (H, W), an integer type of at least 8 bits.

    Args:
        content: of an 8 or 16 bit grey or palette PNG; or of a 16 bit colour one.
        name: the file's, for messages.
        in_red_channel: whether the ids are in the red channel of a colour image.

    Raises:
        InputError: cut short, damaged or another kind of image.
    """
    # OpenCV decodes a file that was cut short without complaint.
    if not content.startswith(PNG_SIGNATURE):
        raise InputError(f"{name} is not a PNG image: copy or download it again.")
    if not is_whole_png(BytesIO(content)):
        raise InputError(f"{name} is cut short or damaged: copy or download it again.")
    if in_red_channel:
        # Pillow cuts 16 bit colour down to 8 bits, which leaves nothing of small ids.
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise InputError(f"{name} is damaged: copy or download it again.")
        if image.ndim != 3:
            raise InputError(
                f"{name} has no colour channels, but the ids should be in its red one: use the "
                "label image that the dataset came with."
            )
        return image[:, :, 2]  # blue, green, red
    try:
        with Image.open(BytesIO(content)) as image:
            mode, ids = image.mode, np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{name} is damaged ({error}): copy or download it again.") from error
    if mode not in ONE_ID_PER_PIXEL:
        raise InputError(
            f"{name} is an image of mode {mode}, not of one id per pixel (grey or palette): use "
            "the label image of ids, not its coloured copy."
        )
    return ids


def read_ids(path: Path, in_red_channel: bool = False) -> np.ndarray:
    """`decode_ids` of a file.

    Raises:
        InputError: the file cannot be read, or is not such an image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): check the file.") from error
    return decode_ids(content, path, in_red_channel)


def png_bytes(image: np.ndarray) -> bytes:
    """Encode (H, W) uint8 or uint16, or (H, W, 3) uint8 RGB."""
    if image.ndim == 3:
        image = image[..., ::-1]
    done, encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
    if not done:
        raise RuntimeError("OpenCV could not encode a PNG")
    return encoded.tobytes()


def json_bytes(content: dict) -> bytes:
    """Encode as JSON text that ends with a newline."""
    return (json.dumps(content) + "\n").encode()


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the final name, then rename: the name never holds half a file.

    Raises:
        InputError: the disk is full, or the folder is not one to write to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)
        raise InputError(
            f"{path} cannot be written ({error.strerror}): mend the disk or folder."
        ) from error


def is_cut_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a file, such as torch.save writes, has been cut short; it is not unpacked."""
    with open(path, "rb") as file:
        start = file.read(2)
    return not start or (start == b"PK" and not zipfile.is_zipfile(path))


def is_whole(path: Path) -> bool:
    """Whether a PNG or JSON file that `write_whole` wrote exists and is not cut short."""
    if not path.is_file():
        return False
    if path.suffix == ".json":
        return path.read_bytes().endswith(b"}\n")
    try:
        read_png_size(path)
    except InputError:
        return False
    return True
