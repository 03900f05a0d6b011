"""What a layout is: how a dataset lies on disk. `snr_plugins.data.layouts` has one of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from snr_plugins.data.conditions import Condition
from snr_plugins.data.file_kinds import FileKind
from snr_plugins.data.frames import Frame, list_frames
from snr_plugins.data.listing import walk

# What the label files of a layout hold.
IDS, KITTI_TEXT, VOC_XML = "label ids", "KITTI text", "VOC XML"


@dataclass(frozen=True)
class Layout:
    """Where a dataset's images and labels lie, and what they hold.

    Args:
        name: what ``tools/check_data.py`` takes.
        folder: its folder below DETECTRON2_DATASETS.
        splits: number of images published for each split; None where any number is right.
        conditions: the looks of a frame, which share its label.
        labels: the label files.
        label_kind: one of ``IDS``, ``KITTI_TEXT`` and ``VOC_XML``.
        table: of `snr_plugins.data.label_ids`, where the labels hold ids.
        instances: the label images that tell instances apart; None without.
        nested: whether the files lie in one folder per city.
        any_conditions: whether conditions may be absent as a whole.
        unlabelled: splits that have no labels.
        one_size: whether all images have one size.
        other_suffixes: endings that the images of a split may have instead, all of them alike.
        left_out: stems of frames whose label does not fit; the loaders leave them out.
        citation: where it was published.
        experiments: what it is for, as "role of configs/<pattern>".
    """

    name: str
    folder: str
    splits: dict[str, int | None]
    conditions: tuple[Condition, ...]
    labels: FileKind
    label_kind: str = IDS
    table: str = ""
    instances: FileKind | None = None
    nested: bool = False
    any_conditions: bool = False
    unlabelled: tuple[str, ...] = ()
    one_size: bool = False
    other_suffixes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    citation: str = ""
    experiments: tuple[str, ...] = ()

    def only(self, conditions: tuple[str, ...]) -> Layout:
        """The same dataset with those of its conditions that have these names."""
        return replace(self, conditions=tuple(c for c in self.conditions if c.name in conditions))

    def as_found(self, root: Path, split: str) -> Layout:
        """The same with the image suffix that the split has on disk, where there are several."""
        images = self.conditions[0]
        folder = root / images.folder_of(split)
        if not self.other_suffixes or not folder.is_dir():
            return self
        names = [path.name for path in walk(folder, 1 if self.nested else 0, faults=[])]
        for suffix in (images.suffix, *self.other_suffixes):
            if any(name.endswith(suffix) for name in names):
                return replace(self, conditions=(replace(images, suffix=suffix),))
        return self

    def frames(self, root: Path, split: str, hint: str) -> list[Frame]:
        """All images of a split in its first condition, with their labels.

        Arguments and errors are those of `snr_plugins.data.frames.list_frames`.
        """
        return list_frames(root, split, self.conditions[0], self.labels, self.nested, hint)
