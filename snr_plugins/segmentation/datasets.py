"""Datasets of the field in the folders that they are unpacked to; no conversion step.

Each frame carries ``domain``, for `snr_plugins.segmentation.evaluation`, and ``label_ids``, the
table that `snr_plugins.segmentation.transforms.LoadLabelIds` maps its label image with.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import mmengine.fileio as fileio
from mmseg.datasets import BaseSegDataset, CityscapesDataset
from mmseg.registry import DATASETS

from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.file_kinds import LABEL_IDS
from snr_plugins.data.label_ids import CAMVID_CLASSES, CAMVID_PALETTE
from snr_plugins.data.layout import Layout
from snr_plugins.data.layouts import CITYSCAPES_IN, CROSS_CITY_CITIES, LAYOUTS
from snr_plugins.errors import InputError


class _StreetDataset(BaseSegDataset):
    """What the datasets below share.

    Args:
        layout: where images and labels lie below ``data_root``.
        split: one of the layout's, or any other folder name.
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        hint: what the reader of the error should do when the images are missing.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.

    Raises:
        InputError: when the frames are listed, if the folder of the images is missing or holds
            none, or an image has no label.
    """

    def __init__(
        self,
        layout: Layout,
        split: str,
        domain: str,
        labelled: bool,
        hint: str,
        **options,
    ) -> None:
        self.layout = layout
        self.domain = domain
        self.hint = hint
        images = layout.conditions[0]
        prefix = {"img_path": images.folder_of(split)}
        if labelled:
            prefix["seg_map_path"] = layout.labels.folder_of(split)
        super().__init__(
            data_prefix=prefix,
            img_suffix=images.suffix,
            seg_map_suffix=layout.labels.suffix,
            **options,
        )

    def load_data_list(self) -> list[dict]:
        """MMSegmentation's list of frames, checked, with ``domain`` and ``label_ids``."""
        folder = self.data_prefix["img_path"]
        if not fileio.isdir(folder, backend_args=self.backend_args):
            raise InputError(f"The folder {folder} does not exist: {self.hint}.")
        frames = [
            frame
            for frame in super().load_data_list()
            if Path(frame["img_path"]).stem not in self.layout.left_out
        ]
        if not frames:
            raise InputError(f"No image *{self.img_suffix} lies in {folder}: {self.hint}.")
        self._check_labels(frames)
        for frame in frames:
            frame.update(domain=self.domain, label_ids=self.layout.table)
        return frames

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


@DATASETS.register_module()
class CityscapesLayoutDataset(_StreetDataset):
    """Any folder in Cityscapes' layout, 19 classes: the real one, foggy copies, the synthetic city.

    Args:
        split: ``"train"`` or ``"val"`` (any folder name below ``gtFine``).
        condition: a name of `snr_plugins.data.conditions.CONDITIONS`, such as ``"clear"`` or
            ``"foggy_beta_0.02"``; the labels are the same for all.
        domain: the name under which the frames are scored; by default the condition.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self,
        split: str = "val",
        condition: str = "clear",
        domain: str = "",
        labelled: bool = True,
        **options,
    ) -> None:
        if condition not in CONDITIONS:
            raise InputError(
                f"Unknown condition {condition!r}: choose from {', '.join(CONDITIONS)}."
            )
        images = CONDITIONS[condition]
        super().__init__(
            CITYSCAPES_IN[condition],
            split,
            domain=domain or condition,
            labelled=labelled,
            hint=f"data_root must hold {images.folder_of(split)}/<city>/*{images.suffix} and "
            f"{LABEL_IDS.folder_of(split)}/<city>/*{LABEL_IDS.suffix}, from Cityscapes or from "
            "`python tools/make_synthetic_city.py --out DATA_ROOT`",
            **options,
        )


@DATASETS.register_module()
class GTA5Dataset(_StreetDataset):
    """GTA5, "Playing for Data" (Richter et al., ECCV 2016), with the 19 classes of Cityscapes.

    The frames 15188 and 17705 are left out, as in other loaders of the field: their labels do not
    fit their images.

    Args:
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, domain: str = "gta5", labelled: bool = True, **options) -> None:
        super().__init__(
            LAYOUTS["gta5"],
            "train",
            domain=domain,
            labelled=labelled,
            hint="data_root must hold images/*.png and labels/*.png, as in GTA5's archives",
            **options,
        )


@DATASETS.register_module()
class SYNTHIADataset(_StreetDataset):
    """SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016), as train ids of Cityscapes.

    Only 16 of the 19 classes occur. To train and score those alone, give every dataset, Cityscapes
    too, ``metainfo=dict(classes=SYNTHIA_16_CLASSES)`` of `snr_plugins.data.label_ids`.

    Args:
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, domain: str = "synthia", labelled: bool = True, **options) -> None:
        super().__init__(
            LAYOUTS["synthia"],
            "train",
            domain=domain,
            labelled=labelled,
            hint="data_root must hold RGB/*.png and GT/LABELS/*.png, as in the archive of "
            "SYNTHIA-RAND-CITYSCAPES",
            **options,
        )


@DATASETS.register_module()
class CrossCityDataset(_StreetDataset):
    """Rio, Rome, Taipei and Tokyo (Chen et al., ICCV 2017, arXiv 1704.08509), as train ids of
    Cityscapes, so that one network is tested on all.

    Only 13 of the 19 classes occur: score with ``classes=CROSS_CITY_CLASSES`` of
    `snr_plugins.data.label_ids`, or give every dataset ``metainfo=dict(classes=...)`` of these.

    Args:
        city: one of ``CROSS_CITY_CITIES``.
        split: ``"Train"``, which has no labels, or ``"Test"``.
        domain: the name under which the frames are scored; by default the city.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(self, city: str, split: str = "Test", domain: str = "", **options) -> None:
        if city not in CROSS_CITY_CITIES:
            raise InputError(f"Unknown city {city!r}: choose from {', '.join(CROSS_CITY_CITIES)}.")
        super().__init__(
            LAYOUTS["cross_city"],
            f"{city}/{split}",
            domain=domain or city,
            labelled=split == "Test",
            hint=f"data_root must hold {city}/Images/{split}/*.png and, for the split Test, "
            f"{city}/Labels/Test/*_eval.png",
            **options,
        )


@DATASETS.register_module()
class CamVidDataset(_StreetDataset):
    """CamVid (Brostow et al. 2009) with 11 classes, whose label images hold train ids already.

    Args:
        split: folder below ``data_root``, such as ``"day_train"``.
        domain: the name under which the frames are scored; by default the split.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of ``BaseSegDataset``, such as ``data_root`` and ``pipeline``.
    """

    METAINFO: ClassVar[dict] = {
        "classes": CAMVID_CLASSES,
        "palette": [list(colour) for colour in CAMVID_PALETTE],
    }

    def __init__(self, split: str, domain: str = "", labelled: bool = True, **options) -> None:
        super().__init__(
            LAYOUTS["camvid"],
            split,
            domain=domain or split,
            labelled=labelled,
            hint=f"data_root must hold {split}/images/*.jpg and {split}/labels/*.png",
            **options,
        )
