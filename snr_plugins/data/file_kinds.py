"""Kinds of files that a frame has: the folder of each below a dataset's root, and its ending."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FileKind:
    """Where the files of one kind lie, and what they are called.

    Args:
        folder: below the root; ``{split}`` stands for the split, ``{city}`` and ``{part}`` for what
            lies before and after its slash.
        suffix: what follows the frame's stem in a file name.
    """

    folder: str
    suffix: str

    def folder_of(self, split: str) -> str:
        """Folder of a split's files, below the root."""
        city, _, part = split.partition("/")
        return self.folder.format(split=split, city=city, part=part)

    def path(self, root: str | os.PathLike[str], split: str, city: str, stem: str) -> Path:
        """One frame's file, in a layout with one folder per city."""
        return Path(root, self.folder_of(split), city, stem + self.suffix)


# Cityscapes' layout, beside its images, which `snr_plugins.data.conditions` lists.
LABEL_IDS = FileKind("gtFine/{split}", "_gtFine_labelIds.png")
INSTANCE_IDS = FileKind("gtFine/{split}", "_gtFine_instanceIds.png")
POLYGONS = FileKind("gtFine/{split}", "_gtFine_polygons.json")
DISPARITY = FileKind("disparity/{split}", "_disparity.png")
CAMERA = FileKind("camera/{split}", "_camera.json")
DEPTH = FileKind("depth/{split}", "_depth.png")  # of the synthetic city alone
