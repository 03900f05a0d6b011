"""Figures as PNGs with a page around them, and as TensorBoard's images."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from snr_plugins.data.files import write_whole

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:16px/1.5 sans-serif;max-width:70em;margin:auto;padding:1em}}
img{{max-width:100%}}</style>
<h1>{title}</h1>
{figures}
</html>
"""


def write_pages(
    out: Path, title: str, figures: Mapping[str, tuple[Figure, str]]
) -> dict[str, np.ndarray]:
    """Write ``NAME.png`` for each figure, and index.html with their captions around them.

    Returns:
        Each picture, (H, W, 3) in RGB.
    """
    out.mkdir(parents=True, exist_ok=True)
    pictures, parts = {}, []
    for name, (figure, caption) in figures.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        write_whole(out / f"{name}.png", buffer.getvalue())
        pictures[name] = np.asarray(Image.open(buffer).convert("RGB"))
        text = html.escape(caption)
        parts.append(f'<h2>{name}</h2>\n<p>{text}</p>\n<img src="{name}.png" alt="{text}">')
    page = PAGE.format(title=html.escape(title), figures="\n".join(parts))
    write_whole(out / "index.html", page.encode())
    return pictures


def write_tensorboard(out: Path, pictures: Mapping[str, np.ndarray]) -> bool:
    """The pictures for TensorBoard, under ``OUT/tensorboard``; False where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return False
    with SummaryWriter(str(out / "tensorboard")) as writer:
        for name, picture in pictures.items():
            writer.add_image(name, picture, dataformats="HWC")
    return True
