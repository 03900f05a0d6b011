"""What a pipeline begins with: an image that is cut short is refused by its name."""

from __future__ import annotations

from pathlib import Path

from snr_plugins.data.images import check_whole


def check_image(results: dict) -> dict:
    """A first step in front of ``LoadImageFromFile``, which fills up a cut JPEG with grey.

    Raises:
        InputError: the file of ``img_path`` is cut short, of no bytes or no image. One that is not
            on this machine's disk is left to MMEngine's backends.
    """
    path = Path(results["img_path"])
    if path.is_file():
        check_whole(path)
    return results
