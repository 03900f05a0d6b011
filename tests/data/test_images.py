"""Images by content: sizes and oddities are those of the frameworks' own loaders."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from snr_plugins.data.files import decode_ids, read_png_size
from snr_plugins.data.folder import read_image_folder
from snr_plugins.data.images import check_decodes, oddities, read_image_file, read_image_size
from snr_plugins.errors import InputError

HEIGHT, WIDTH = 24, 40
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def save(path: Path, image: np.ndarray | Image.Image = NOISE, orientation: int = 1, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **({"exif": exif} if orientation != 1 else {}), **options)
    return path


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_sizes_are_those_that_detectron2_reads(tmp_path, suffix, orientation):
    read_image = pytest.importorskip("detectron2.data.detection_utils").read_image
    path = save(tmp_path / f"a{suffix}", orientation=orientation)
    assert read_image_size(path) == read_image(str(path), "BGR").shape[:2]
    image = read_image_file(path)
    assert image.stored_size == (HEIGHT, WIDTH)
    assert bool(oddities(image)) == (orientation != 1)


@pytest.mark.parametrize("orientation", [1, 6, 8])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_sizes_are_those_that_mmsegmentation_reads(tmp_path, suffix, orientation):
    transforms = pytest.importorskip("mmcv.transforms")
    path = save(tmp_path / f"a{suffix}", orientation=orientation)
    read = transforms.LoadImageFromFile()({"img_path": str(path)})["img"]
    assert read_image_size(path) == read.shape[:2]


def test_a_turned_webp_is_told_since_mmsegmentation_turns_it_by_opencv_s_version(tmp_path):
    transforms = pytest.importorskip("mmcv.transforms")
    cv2 = pytest.importorskip("cv2")
    path = save(tmp_path / "a.webp", orientation=6)
    read = transforms.LoadImageFromFile()({"img_path": str(path)})["img"]
    turns = tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 13)
    assert (read.shape[:2] == read_image_size(path)) == turns
    assert "by MMSegmentation from OpenCV 4.13 on alone" in oddities(read_image_file(path))[0]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_turned_tiff_is_refused_since_the_frameworks_differ(tmp_path, orientation):
    read_image = pytest.importorskip("detectron2.data.detection_utils").read_image
    transforms = pytest.importorskip("mmcv.transforms")
    path = tmp_path / "a.tif"
    Image.fromarray(NOISE).save(path, tiffinfo={0x0112: orientation})
    seen = read_image(str(path), "BGR")
    same = np.array_equal(seen, transforms.LoadImageFromFile()({"img_path": str(path)})["img"])
    assert same == (orientation == 1)
    if same:
        assert read_image_size(path) == (HEIGHT, WIDTH)
        return
    with pytest.raises(
        InputError, match=rf"a\.tif is a TIFF with .* {orientation}, .*: save it up"
    ):
        read_image_size(path)
    assert not oddities(read_image_file(path))


def test_exif_in_a_text_of_a_png_counts_as_it_does_for_detectron2(tmp_path):
    """ImageMagick writes it so."""
    read_image = pytest.importorskip("detectron2.data.detection_utils").read_image
    exif = Image.Exif()
    exif[0x0112] = 6
    raw = (b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")).hex()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(raw) // 2}\n{raw}\n")
    Image.fromarray(NOISE).save(tmp_path / "a.png", pnginfo=info)
    read = read_image(str(tmp_path / "a.png"), "BGR")
    assert read.shape[:2] == read_image_size(tmp_path / "a.png") == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    "behind", [b"\0", b"\0" * 70000, np.random.default_rng(1).bytes(70000)], ids=len
)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"format": "PNG"}])
def test_bytes_behind_the_end_do_not_matter(tmp_path, options, behind):
    path = save(tmp_path / "a.jpg", **options)  # the last one a PNG of another name
    path.write_bytes(path.read_bytes() + behind)
    assert read_image_size(path) == (HEIGHT, WIDTH)
    check_decodes(path)
    (record,) = read_image_folder(tmp_path)
    assert (record["height"], record["width"]) == (HEIGHT, WIDTH)


def test_a_label_with_a_byte_behind_its_end_is_read(tmp_path):
    path = save(tmp_path / "ids.png", NOISE[..., 0])
    content = path.read_bytes() + b"\n"
    assert (decode_ids(content, "ids.png") == NOISE[..., 0]).all()
    path.write_bytes(content)
    assert read_png_size(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("kept", [0.5, 0.98])
@pytest.mark.parametrize("filled", [False, True], ids=["cut", "zeros to the old length"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"format": "PNG"}])
def test_what_is_cut_short_is_refused_without_decoding(tmp_path, options, filled, kept):
    path = save(tmp_path / "a.jpg", **options)
    content = path.read_bytes()
    part = content[: int(kept * len(content))]
    path.write_bytes(part.ljust(len(content) if filled else 0, b"\0"))
    with pytest.raises(InputError, match=r"a\.jpg is cut short"):
        read_image_size(path)


def test_a_cut_photograph_with_a_thumbnail_is_refused(tmp_path):
    """The thumbnail is a JPEG of its own, with its end."""
    thumbnail = save(tmp_path / "thumbnail.jpg").read_bytes()
    content = save(tmp_path / "a.jpg").read_bytes()
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail
    whole = content[:2] + segment + content[2:]
    for trailer in (b"", b"\0" * 2000):
        (tmp_path / "a.jpg").write_bytes(whole + trailer)
        assert read_image_size(tmp_path / "a.jpg") == (HEIGHT, WIDTH)
        (tmp_path / "a.jpg").write_bytes(whole[:-30] + trailer + b"\0" * 2000)
        with pytest.raises(InputError, match="cut short"):
            read_image_size(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "GIF"])
def test_rare_formats_are_read_by_content_and_refused_when_cut(tmp_path, kind):
    path = save(tmp_path / "a.jpg", format=kind)
    assert read_image_size(path) == (HEIGHT, WIDTH)
    for kept in (0.2, 0.5, 0.9):
        content = save(path, format=kind).read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
        with pytest.raises(InputError, match=r"a\.jpg is no readable image"):
            read_image_size(path)


def test_damage_in_the_middle_of_a_png_is_found_by_decoding(tmp_path):
    content = bytearray(save(tmp_path / "a.png").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "a.png").write_bytes(content)
    assert read_image_size(tmp_path / "a.png") == (HEIGHT, WIDTH)
    with pytest.raises(InputError, match=r"a\.png is damaged"):
        check_decodes(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGBA"),
        ("a.png", "LA"),
        ("a.jpg", "CMYK"),
        ("a.png", "L"),
        ("a.png", "P"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
    ],
)
def test_what_is_accepted_is_what_detectron2_converts(tmp_path, name, mode):
    read_image = pytest.importorskip("detectron2.data.detection_utils").read_image
    smooth = cv2.resize(NOISE, (8, 8))
    smooth = Image.fromarray(cv2.resize(smooth, (WIDTH, HEIGHT))).convert(mode)
    smooth.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    assert read_image_file(tmp_path / name).mode == mode
    assert read_image_size(tmp_path / name) == (HEIGHT, WIDTH)
    assert bool(oddities(read_image_file(tmp_path / name))) == (mode in ("RGBA", "LA", "CMYK"))
    read = read_image(str(tmp_path / name), "RGB").astype(float)
    assert np.abs(read - np.asarray(smooth.convert("RGB"))).mean() < 3


def test_grey_of_16_bits_is_refused_since_detectron2_reads_it_as_white(tmp_path):
    read_image = pytest.importorskip("detectron2.data.detection_utils").read_image
    path = save(tmp_path / "thermal.png", NOISE[..., 0].astype(np.uint16) * 100 + 300)
    assert (read_image(str(path), "BGR") == 255).all()
    with pytest.raises(InputError, match=r"thermal\.png is grey of more than 8 bits .* convert it"):
        read_image_size(path)
    cv2.imwrite(str(path), NOISE.astype(np.uint16) * 257)  # colour of 16 bits is converted rightly
    assert (read_image(str(path), "BGR") == NOISE).all()
    assert read_image_size(path) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("size", [(0, HEIGHT), (WIDTH, 0)])
def test_a_png_without_width_or_height_is_refused(tmp_path, size):
    content = bytearray(save(tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", *size)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png is no readable image \(without width or height"):
        read_image_size(tmp_path / "a.png")


def test_what_is_no_image_is_refused(tmp_path):
    for content in (b"", b"<html>", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"):
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.jpg is (no readable image|cut short)"):
            read_image_size(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"b\.jpg is no readable image .*No such file"):
        read_image_size(tmp_path / "b.jpg")
