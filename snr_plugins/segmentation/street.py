"""What the datasets of streets share: which files, which options, which labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mmengine.fileio as fileio
from mmseg.datasets import BaseSegDataset

from snr_plugins.data.images import check_unspoilt, read_image_file
from snr_plugins.data.layout import Layout
from snr_plugins.data.listing import differs_in_case
from snr_plugins.data.train_ids import check_no_train_ids
from snr_plugins.errors import InputError
from snr_plugins.openmmlab.whole_images import check_image
from snr_plugins.segmentation.domains import SetDomain
from snr_plugins.segmentation.transforms import TRAIN_IDS, with_label_ids, with_photometric


class StreetDataset(BaseSegDataset):
    """A dataset in its layout; MMSegmentation's own options stay what they are.

    ``LoadAnnotations`` in the pipeline is read as ``LoadLabelIds``: the dataset knows its ids. A
    packed sample carries ``domain`` whatever the ``meta_keys`` are.

    Args:
        layout: where images and labels lie below ``data_root``.
        split: one of the layout's, or any other folder name.
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        hint: what the reader of the error should do when the images are missing.
        pipeline: of configs of transforms, or transforms.
        data_prefix: other folders than the split's, under ``img_path`` and ``seg_map_path``.
        img_suffix, seg_map_suffix: other endings than the layout's. Label images that end in
            ``labelTrainIds.png`` hold train ids, all others the layout's.
        photometric: whether ``PhotoMetricDistortion``, MMSegmentation's own, goes in front of the
            packing, unless the pipeline has it already.
        reduce_zero_label: refused when True: the layout's table says which ids are void.
        options: other arguments of ``BaseSegDataset``, such as ``data_root`` and ``ann_file``, a
            text file of image names without endings; with the dataset's own they are right too.

    Raises:
        InputError: an option cannot be honoured; or, when the frames are listed, the folder of the
            images is missing or holds none, an image ends in upper case where others do not or has
            no label, the first is one that `snr_plugins.data.images.check_unspoilt` refuses, label
            images hold train ids, ``ann_file`` is missing, empty, no text in UTF-8 or names no
            image.
    """

    def __init__(
        self,
        layout: Layout,
        split: str,
        domain: str,
        labelled: bool,
        hint: str,
        pipeline: list | tuple = (),
        data_prefix: dict[str, str] | None = None,
        img_suffix: str | None = None,
        seg_map_suffix: str | None = None,
        photometric: bool = False,
        reduce_zero_label: bool = False,
        **options: Any,
    ) -> None:
        name = type(self).__name__
        if reduce_zero_label:
            raise InputError(
                f"{name} has reduce_zero_label=True, but its table {layout.table!r} says which of "
                "its ids are void: remove the option."
            )
        self._check_classes(options.get("metainfo"))
        if photometric:
            pipeline = with_photometric(list(pipeline))
        images, labels = layout.conditions[0], layout.labels
        folders = {"img_path": images.folder_of(split)}
        if labelled:
            folders["seg_map_path"] = labels.folder_of(split)
        for key in data_prefix or {}:
            if key not in ("img_path", "seg_map_path"):
                raise InputError(
                    f"{name} has data_prefix with the key {key!r}: name the folders img_path and "
                    "seg_map_path, or leave data_prefix out for those of the split."
                )
            if key in folders:
                folders[key] = data_prefix[key]  # type: ignore[index]  # not empty here
        if img_suffix not in (None, images.suffix):
            layout = replace(layout, conditions=())  # nobody knows what these images show
        self.layout = layout
        self.split = split
        # what a person names is not looked for elsewhere
        self.sought = bool(layout.variants) and not (data_prefix or img_suffix or seg_map_suffix)
        self.domain = domain
        self.hint = hint
        seg_map_suffix = seg_map_suffix or labels.suffix
        self.img_suffixes = (img_suffix,) if img_suffix else (images.suffix, *layout.other_suffixes)
        self.label_ids = TRAIN_IDS if _of_train_ids(seg_map_suffix) else layout.table
        super().__init__(
            data_prefix=folders,
            img_suffix=img_suffix or images.suffix,
            seg_map_suffix=seg_map_suffix,
            pipeline=[check_image, *with_label_ids(list(pipeline)), SetDomain(domain)],
            **options,
        )

    def load_data_list(self) -> list[dict]:
        """MMSegmentation's list of frames, checked, with ``domain`` and ``label_ids``."""
        if self.sought:
            self._settle_on_a_tree()
        folder = self.data_prefix["img_path"]
        if not fileio.isdir(folder, backend_args=self.backend_args):
            raise InputError(f"The folder {folder} does not exist: {self.hint}.")
        if len(self.img_suffixes) > 1:
            self.img_suffix = self._suffix_in(folder)
        if not self.ann_file:
            self._check_endings(folder)
        frames = [
            frame
            for frame in (self._listed() if self.ann_file else super().load_data_list())
            if Path(frame["img_path"]).stem not in self.layout.left_out
        ]
        if not frames:
            raise InputError(f"No image *{self.img_suffix} lies in {folder}: {self.hint}.")
        self._check_labels(frames)
        labels = [Path(frame["seg_map_path"]) for frame in frames if "seg_map_path" in frame]
        check_no_train_ids(labels, self.label_ids)
        self._check_image(frames[0]["img_path"])
        for frame in frames:
            frame.update(domain=self.domain, label_ids=self.label_ids)
        return frames

    def _check_classes(self, metainfo: dict | None) -> None:
        chosen, known = (metainfo or {}).get("classes"), self.METAINFO["classes"]
        if chosen is None or (isinstance(chosen, str) and Path(chosen).is_file()):
            return  # MMEngine reads such a file
        names = [chosen] if isinstance(chosen, str) else list(chosen)
        if isinstance(chosen, str) or not names or len(set(names)) < len(names):
            problem = "a list of names, each once"
        elif set(names) <= set(known):
            return
        else:
            problem = f"names of {', '.join(known)}"
        raise InputError(
            f"{type(self).__name__} has metainfo with classes={chosen!r}: give {problem}."
        )

    def _check_endings(self, folder: str) -> None:
        """No image differs from the ending in upper and lower case alone: it would be passed by."""
        names = fileio.list_dir_or_file(
            folder, list_dir=False, recursive=True, backend_args=self.backend_args
        )
        for name in sorted(names):
            if differs_in_case(Path(name), self.img_suffix):
                raise InputError(
                    f"{Path(folder, name)} should end in {self.img_suffix}: rename it, case by "
                    "case the same, or say img_suffix if all are like it."
                )

    def _settle_on_a_tree(self) -> None:
        """Of the trees that the dataset comes in, the one below ``data_root``."""
        root = self.data_root or ""
        self.layout = self.layout.as_found(Path(root), self.split)
        images, labels = self.layout.conditions[0], self.layout.labels
        self.data_prefix["img_path"] = str(Path(root, images.folder_of(self.split)))
        if "seg_map_path" in self.data_prefix:
            self.data_prefix["seg_map_path"] = str(Path(root, labels.folder_of(self.split)))
        self.img_suffix, self.seg_map_suffix = images.suffix, labels.suffix

    def _suffix_in(self, folder: str) -> str:
        """The one ending, of those that are published, that the images of a folder have."""
        found = []
        for suffix in self.img_suffixes:
            files = fileio.list_dir_or_file(
                folder,
                list_dir=False,
                suffix=suffix,
                recursive=True,
                backend_args=self.backend_args,
            )
            if any(files):
                found.append(suffix)
        if len(found) > 1:
            raise InputError(
                f"{folder} holds images *{' and *'.join(found)}: keep one kind, or say img_suffix."
            )
        return found[0] if found else self.img_suffix

    def _listed(self) -> list[dict]:
        """The frames that ``ann_file`` names, with or without their ending."""
        folder = self.data_prefix["img_path"]
        if not fileio.isfile(self.ann_file, backend_args=self.backend_args):
            raise InputError(
                f"ann_file {self.ann_file} is no file: give a text file of image names, or leave "
                f"ann_file out for all images of {folder}."
            )
        self._check_text()
        frames = super().load_data_list()
        nothing = str(Path(folder, self.img_suffix))  # of a blank line
        frames = [frame for frame in frames if str(Path(frame["img_path"])) != nothing]
        if not frames:
            raise InputError(
                f"ann_file {self.ann_file} names no image: write one name a line, or leave "
                f"ann_file out for all images of {folder}."
            )
        for frame in frames:
            if frame["img_path"].endswith(2 * self.img_suffix):  # the line had the ending already
                frame["img_path"] = frame["img_path"].removesuffix(self.img_suffix)
                doubled = self.img_suffix + self.seg_map_suffix
                if "seg_map_path" in frame:
                    bare = frame["seg_map_path"].removesuffix(doubled)
                    frame["seg_map_path"] = bare + self.seg_map_suffix
        for frame in frames:
            if not fileio.isfile(frame["img_path"], backend_args=self.backend_args):
                raise InputError(
                    f"ann_file {self.ann_file} names {frame['img_path']}, which does not exist: "
                    f"each line is the path of an image below {folder}, without {self.img_suffix}."
                )
        return frames

    def _check_text(self) -> None:
        """``ann_file`` can be read as MMSegmentation reads it, the first name included."""
        try:
            text = fileio.get_text(self.ann_file, backend_args=self.backend_args)
        except UnicodeError as error:
            raise InputError(
                f"ann_file {self.ann_file} is no text in UTF-8 ({error}): write it anew."
            ) from error
        if text.startswith("\ufeff"):
            raise InputError(
                f"ann_file {self.ann_file} begins with a byte order mark, which would become part "
                "of the first name: write it in UTF-8 without."
            )

    def _check_image(self, path: str) -> None:
        """Of the kinds that MMSegmentation spoils in silence, where a file on this machine tells.

        One image of a dataset is looked at: thermal cameras write all alike.
        """
        if Path(path).is_file():
            check_unspoilt(Path(path), read_image_file(Path(path)))

    def _check_labels(self, frames: list[dict]) -> None:
        missing = [
            frame["seg_map_path"]
            for frame in frames
            if "seg_map_path" in frame
            and not fileio.isfile(frame["seg_map_path"], backend_args=self.backend_args)
        ]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(frames)} images in {self.data_prefix['img_path']} have no "
                f"label image, the first of them {missing[0]}: add the labels, remove the images, "
                "or set labelled=False where no label is wanted."
            )


def _of_train_ids(suffix: str) -> bool:
    return suffix.lower().endswith("labeltrainids.png")
