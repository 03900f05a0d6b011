"""Datasets of the field in the folders that they are unpacked to; no conversion step.

Each frame carries ``domain``, for `snr_plugins.segmentation.evaluation`, and ``label_ids``, the
table that `snr_plugins.segmentation.transforms.LoadLabelIds` maps its label image with.
"""

from __future__ import annotations

from typing import ClassVar

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.file_kinds import LABEL_IDS
from snr_plugins.data.label_ids import CAMVID_CLASSES, CAMVID_PALETTE
from snr_plugins.data.layouts import CITYSCAPES_IN, CROSS_CITY_CITIES, LAYOUTS
from snr_plugins.errors import InputError
from snr_plugins.segmentation.street import StreetDataset


@DATASETS.register_module()
class CityscapesLayoutDataset(StreetDataset):
    """Any folder in Cityscapes' layout, 19 classes: the real one, foggy copies, the synthetic city.

    Args:
        split: ``"train"`` or ``"val"`` (any folder name below ``gtFine``).
        condition: a name of `snr_plugins.data.conditions.CONDITIONS`, such as ``"clear"`` or
            ``"foggy_beta_0.02"``; the labels are the same for all. By default the one whose images
            end in ``img_suffix``, or clear.
        domain: the name under which the frames are scored; by default the condition.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self,
        split: str = "val",
        condition: str = "",
        domain: str = "",
        labelled: bool = True,
        **options,
    ) -> None:
        suffix = options.get("img_suffix")
        of_suffix = [name for name, images in CONDITIONS.items() if images.suffix == suffix]
        condition = condition or (of_suffix or ["clear"])[0]
        if of_suffix and condition not in of_suffix:
            raise InputError(
                f"CityscapesLayoutDataset has condition={condition!r} but img_suffix={suffix!r}, "
                f"which is that of {of_suffix[0]}: remove one of the two."
            )
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
class GTA5Dataset(StreetDataset):
    """GTA5, "Playing for Data" (Richter et al., ECCV 2016), with the 19 classes of Cityscapes.

    The frames 15188 and 17705 are left out, as in other loaders of the field: their labels do not
    fit their images.

    Args:
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
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
class SYNTHIADataset(StreetDataset):
    """SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016), as train ids of Cityscapes.

    Only 16 of the 19 classes occur. To train and score those alone, give every dataset, Cityscapes
    too, ``metainfo=dict(classes=SYNTHIA_16_CLASSES)`` of `snr_plugins.data.label_ids`.

    Args:
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
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
class CrossCityDataset(StreetDataset):
    """Rio, Rome, Taipei and Tokyo (Chen et al., ICCV 2017, arXiv 1704.08509), as train ids of
    Cityscapes, so that one network is tested on all.

    Only 13 of the 19 classes occur: score with ``classes=CROSS_CITY_CLASSES`` of
    `snr_plugins.data.label_ids`, or give every dataset ``metainfo=dict(classes=...)`` of these.

    Args:
        city: one of ``CROSS_CITY_CITIES``.
        split: ``"Train"``, which has no labels, or ``"Test"``.
        domain: the name under which the frames are scored; by default the city.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self,
        city: str,
        split: str = "Test",
        domain: str = "",
        labelled: bool = True,
        **options,
    ) -> None:
        if city not in CROSS_CITY_CITIES:
            raise InputError(f"Unknown city {city!r}: choose from {', '.join(CROSS_CITY_CITIES)}.")
        super().__init__(
            LAYOUTS["cross_city"],
            f"{city}/{split}",
            domain=domain or city,
            labelled=labelled and split == "Test",
            hint=f"data_root must hold {city}/Images/{split}/*.png and, for the split Test, "
            f"{city}/Labels/Test/*_eval.png",
            **options,
        )


@DATASETS.register_module()
class CamVidDataset(StreetDataset):
    """CamVid (Brostow et al. 2009) with 11 classes, whose label images hold train ids already.

    Images are JPEG or, as published, PNG; void is 255 or, as published with 11 classes, 11.

    Args:
        split: folder below ``data_root``, such as ``"day_train"``.
        domain: the name under which the frames are scored; by default the split.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
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
            hint=f"data_root must hold {split}/images/*.jpg (or .png) and {split}/labels/*.png",
            **options,
        )
