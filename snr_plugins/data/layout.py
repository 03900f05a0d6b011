"""What a layout is: how a dataset lies on disk. `snr_plugins.data.layouts` has one of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from snr_plugins.data.conditions import Condition
from snr_plugins.data.file_kinds import FileKind
from snr_plugins.data.frames import Frame, list_frames
from snr_plugins.data.listing import read_stems, spelt_as_in, walk

# What the label files of a layout hold.
IDS, KITTI_TEXT, VOC_XML = "label ids", "KITTI text", "VOC XML"
BDD_JSON = "BDD100K JSON"  # one file for all frames of a split

Kind = TypeVar("Kind", bound=FileKind)


@dataclass(frozen=True)
class Layout:
    """Where a dataset's images and labels lie, and what they hold.

    Args:
        name: what ``tools/check_data.py`` takes.
        folder: its folder below DETECTRON2_DATASETS.
        splits: number of images published for each split; None where any number is right.
        conditions: the looks of a frame, which share its label.
        labels: the label files.
        label_kind: one of ``IDS``, ``KITTI_TEXT``, ``VOC_XML`` and ``BDD_JSON``.
        table: of `snr_plugins.data.label_ids`, where the labels hold ids.
        instances: the label images that tell instances apart; None without.
        nested: whether the files lie in one folder per city.
        any_conditions: whether conditions may be absent as a whole.
        unlabelled: splits that have no labels.
        one_size: whether all images have one size.
        other_suffixes: endings that the images of a split may have instead, all of them alike.
        left_out: stems of frames whose label does not fit; the loaders leave them out.
        lists: text files with the stems of a split, one a line; None where a split is all images of
            its folder.
        variants: other trees that the same dataset is unpacked to.
        any_spelling: whether its folders go by names that differ in case, and in - for _.
        drops_empty_boxes: whether boxes without width or height are left out, with a line in the
            log, in place of being refused: nobody can mend labels that converters made.
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
    lists: FileKind | None = None
    variants: tuple[Layout, ...] = ()
    any_spelling: bool = False
    drops_empty_boxes: bool = False
    citation: str = ""
    experiments: tuple[str, ...] = ()

    def only(self, conditions: tuple[str, ...]) -> Layout:
        """The same dataset with those of its conditions that have these names."""
        return replace(self, conditions=tuple(c for c in self.conditions if c.name in conditions))

    def as_found(self, root: Path, split: str) -> Layout:
        """The same as the split has it on disk: which tree, spelling and image suffix."""
        if self.variants or self.any_spelling:
            trees = (tree._spelt_as_in(root, split) for tree in (self, *self.variants))
            found = next((tree for tree in trees if tree._lies_in(root, split)), self)
        else:
            found = self
        return found._with_suffix_in(root, split)

    def label_file(self, root: Path, split: str) -> Path:
        """The one label file of a split, of ``BDD_JSON``."""
        return Path(root, self.labels.folder_of(split) + self.labels.suffix)

    def stems(self, root: Path, split: str, hint: str) -> list[str] | None:
        """What the list of a split names; None for a layout without lists.

        Raises:
            InputError: the list is missing, empty, no text or names a frame twice.
        """
        if self.lists is None:
            return None
        return read_stems(root / (self.lists.folder_of(split) + self.lists.suffix), hint)

    def _spelt_as_in(self, root: Path, split: str) -> Layout:
        if not self.any_spelling:
            return self

        def spelt(kind: Kind) -> Kind:
            return replace(kind, folder=spelt_as_in(root, kind.folder_of(split)))

        return replace(
            self,
            conditions=(spelt(self.conditions[0]),),
            labels=spelt(self.labels),
            lists=self.lists and spelt(self.lists),
        )

    def _lies_in(self, root: Path, split: str) -> bool:
        if not (root / self.conditions[0].folder_of(split)).is_dir():
            return False
        if split in self.unlabelled:
            return True
        folder = root / self.labels.folder_of(split)
        levels = 1 if self.nested else 0
        return folder.is_dir() and any(
            path.name.endswith(self.labels.suffix) for path in walk(folder, levels, faults=[])
        )

    def _with_suffix_in(self, root: Path, split: str) -> Layout:
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
        """All images of a split in its first condition, with their labels, as they lie on disk.

        Arguments and errors are those of `snr_plugins.data.frames.list_frames` and `stems`.
        """
        found = self.as_found(root, split)
        stems = found.stems(root, split, hint)
        return list_frames(
            root, split, found.conditions[0], found.labels, found.nested, hint, stems
        )
