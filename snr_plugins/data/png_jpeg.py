"""Whether a PNG or JPEG is whole, by its structure; bytes behind its end do not matter.

Phones write films and notes there, and every decoder passes them over.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SIGNATURE = b"\xff\xd8"
JPEG_END = b"\xff\xd9"
JPEG_TAIL = 1024  # bytes; in most files the end is the end
# In pixel data 255 is followed by 0 or by a restart mark; anything else is the next segment.
_NEXT_SEGMENT = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN = 0xDA


def png_chunks(file: BinaryIO) -> tuple[bytes, set[bytes]] | None:
    """(head, names of the chunks) of a PNG; None where it is cut short.

    Args:
        file: at its start; it must begin as a PNG. Pixels are not read.

    Returns:
        The head is the first chunk's content: width, height, bits, kind of colour and three more.
    """
    file.seek(len(PNG_SIGNATURE))
    head, names = b"", set()
    while True:
        start = file.read(8)
        if len(start) < 8 or not start[4:].isalpha():
            return None
        length, name = struct.unpack(">I4s", start)
        names.add(name)
        if name == b"IHDR":
            head = file.read(length)
            length = 0
        file.seek(length, 1)
        if len(file.read(4)) < 4:  # the check sum
            return None
        if name == b"IEND":
            return (head, names) if len(head) == 13 else None


def is_whole_png(file: BinaryIO) -> bool:
    """Whether a file begins as a PNG and has all its chunks."""
    file.seek(0)
    return file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE and png_chunks(file) is not None


def is_whole_jpeg(file: BinaryIO) -> bool:
    """Whether a JPEG has its end; pixels are not decoded."""
    size = file.seek(0, 2)
    file.seek(max(0, size - JPEG_TAIL))
    if JPEG_END in file.read():
        return True
    file.seek(0)
    content = file.read()
    at = len(JPEG_SIGNATURE)
    while at + 4 <= len(content) and content[at] == 0xFF:
        mark = content[at + 1]
        if mark == 0xFF:  # padding
            at += 1
            continue
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if mark == _START_OF_SCAN:
            found = _NEXT_SEGMENT.search(content, at)
            if found is None:
                return False
            at = found.start()
        if content[at : at + 2] == JPEG_END:
            return True
    return False
