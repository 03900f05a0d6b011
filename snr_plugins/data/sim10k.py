"""Cars of Sim10k, "Driving in the Matrix" (Johnson-Roberson et al., ICRA 2017, arXiv 1610.01983).

<root>/VOC2012/JPEGImages/<frame>.jpg
<root>/VOC2012/Annotations/<frame>.xml     in the form of PASCAL VOC
"""

from __future__ import annotations

import os

from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.voc import read_voc


def read_sim10k(
    root: str | os.PathLike[str], hint: str = "check the path, or unpack Sim10k there"
) -> list[dict]:
    """Read the cars of Sim10k's 10,000 frames.

    Args:
        root: the folder that holds ``VOC2012``.
        hint: what the reader of the error should do when a folder is missing.

    Returns:
        As `snr_plugins.data.voc.read_voc`, with the one category 0.

    Raises:
        InputError: as there.
    """
    return read_voc(LAYOUTS["sim10k"], root, "train", {"car": 0}, hint)
