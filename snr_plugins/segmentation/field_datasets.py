"""The datasets that domain generalisation is tested on today, in the folders they are unpacked to.

As `snr_plugins.segmentation.datasets`: each frame carries ``domain`` and ``label_ids``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from snr_plugins.data.field_layouts import ACDC_CONDITIONS
from snr_plugins.data.layout import Layout
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.mapillary import MAPPINGS
from snr_plugins.errors import InputError
from snr_plugins.segmentation.street import StreetDataset


@DATASETS.register_module()
class BDD100KSegDataset(StreetDataset):
    """The 10,000 segmented images of BDD100K (Yu et al., CVPR 2020), 19 classes of Cityscapes.

    Reads the archive of 2018 (``seg/labels/<split>/<frame>_train_id.png``) and the newer one
    (``labels/sem_seg/masks/<split>/<frame>.png``); both hold train ids.

    Args:
        split: ``"train"`` or ``"val"``.
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self, split: str = "val", domain: str = "bdd100k", labelled: bool = True, **options
    ) -> None:
        super().__init__(
            LAYOUTS["bdd100k_seg"],
            split,
            domain=domain,
            labelled=labelled,
            hint=f"data_root must hold images/10k/{split}/*.jpg and "
            f"labels/sem_seg/masks/{split}/*.png, or, of 2018, seg/images/{split}/*.jpg and "
            f"seg/labels/{split}/*_train_id.png",
            **options,
        )


@DATASETS.register_module()
class MapillaryVistasDataset(StreetDataset):
    """Mapillary Vistas v1.2 (Neuhold et al., ICCV 2017), its 66 labels as 19 classes of Cityscapes.

    Reads both archives: labels in ``<split>/labels``, or in ``<split>/v1.2/labels`` beside those of
    v2.0, which nobody has mapped.

    Args:
        mapping: ``"robustnet"``, of 25 labels, or ``"rein"``, of 34: see
            `snr_plugins.data.mapillary`. Scores made with one do not compare with the other, and
            the stamp says which it was.
        split: ``"training"`` or ``"validation"``.
        domain: the name under which the frames are scored.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.

    Raises:
        InputError: there is no such mapping; when the frames are listed, as `StreetDataset`, and if
            only labels of v2.0 are there.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self,
        mapping: str = "robustnet",
        split: str = "validation",
        domain: str = "mapillary",
        labelled: bool = True,
        **options,
    ) -> None:
        if mapping not in MAPPINGS:
            raise InputError(
                f"MapillaryVistasDataset has mapping={mapping!r}: choose from "
                f"{', '.join(MAPPINGS)}."
            )
        super().__init__(
            _mapped(mapping),
            split,
            domain=domain,
            labelled=labelled,
            hint=f"data_root must hold {split}/images/*.jpg and {split}/labels/*.png or "
            f"{split}/v1.2/labels/*.png",
            **options,
        )

    def load_data_list(self) -> list[dict]:
        """As `StreetDataset`; labels of v2.0 alone are refused."""
        folder = Path(self.data_root or "", self.split)
        is_needed = self.sought and "seg_map_path" in self.data_prefix
        known = any((folder / name).is_dir() for name in ("v1.2/labels", "labels"))
        if is_needed and not known and (folder / "v2.0").is_dir():
            raise InputError(
                f"{folder} holds labels of Mapillary Vistas v2.0 alone, whose 124 classes have no "
                "published mapping to 19: unpack v1.2 from the same archive."
            )
        return super().load_data_list()


def _mapped(mapping: str) -> Layout:
    table = f"mapillary_{mapping}"
    layout = LAYOUTS["mapillary"]
    variants = tuple(replace(variant, table=table) for variant in layout.variants)
    return replace(layout, table=table, variants=variants)


@DATASETS.register_module()
class ACDCDataset(StreetDataset):
    """ACDC (Sakaridis et al., ICCV 2021): fog, night, rain and snow, 19 classes of Cityscapes.

    Args:
        condition: one of ``fog``, ``night``, ``rain`` and ``snow``.
        split: ``"train"``, ``"val"`` or ``"test"``, whose labels are not published.
        domain: the name under which the frames are scored; by default ``acdc_<condition>``.
        labelled: False leaves the label images alone, for a domain that is used without them.
        options: arguments of `StreetDataset` and ``BaseSegDataset``, such as ``data_root`` and
            ``pipeline``.
    """

    METAINFO = CityscapesDataset.METAINFO

    def __init__(
        self,
        condition: str,
        split: str = "val",
        domain: str = "",
        labelled: bool = True,
        **options,
    ) -> None:
        if condition not in ACDC_CONDITIONS:
            raise InputError(
                f"Unknown condition {condition!r}: choose from {', '.join(ACDC_CONDITIONS)}."
            )
        place = f"{condition}/{split}"
        super().__init__(
            LAYOUTS["acdc"],
            place,
            domain=domain or f"acdc_{condition}",
            labelled=labelled and split != "test",
            hint=f"data_root must hold rgb_anon/{place}/<sequence>/*_rgb_anon.png and, but for the "
            f"split test, gt/{place}/<sequence>/*_gt_labelIds.png",
            **options,
        )
