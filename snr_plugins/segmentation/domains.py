"""A domain for anybody's dataset, and many domains in one test loader.

Scores of each: `snr_plugins.segmentation.evaluation`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine.dataset import ConcatDataset
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS, TRANSFORMS

from snr_plugins.data.label_ids import CLASSES, TABLE_NAMES
from snr_plugins.data.labels import CITYSCAPES_CLASSES
from snr_plugins.data.train_ids import check_no_train_ids
from snr_plugins.errors import InputError
from snr_plugins.openmmlab.whole_images import check_image
from snr_plugins.segmentation.transforms import TRAIN_IDS, with_label_ids


@TRANSFORMS.register_module()
class SetDomain(BaseTransform):
    """Says of a frame which domain it is of, anywhere in a pipeline.

    Sets ``domain`` and, if given, ``label_ids``; of packed samples, several under test-time
    augmentation, ``domain`` as meta information, so that ``meta_keys`` need not name it.

    Args:
        domain: the name under which the frames are scored.
        ids: what the label images hold, for ``LoadLabelIds`` further on.
    """

    def __init__(self, domain: str, ids: str | None = None) -> None:
        self.domain = domain
        self.ids = ids

    def transform(self, results: dict) -> dict:
        if "data_samples" in results:
            packed = results["data_samples"]
            for sample in packed if isinstance(packed, list) else [packed]:
                sample.set_metainfo({"domain": self.domain})
            return results
        results["domain"] = self.domain
        if self.ids is not None:
            results["label_ids"] = self.ids
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}(domain={self.domain!r}, ids={self.ids!r})"


@DATASETS.register_module()
class DomainDataset:
    """Anybody's dataset of MMSegmentation, such as its ``BDD100KDataset``, as a domain.

    ``dict(type="DomainDataset", domain="bdd100k", dataset=dict(type="BDD100KDataset", ...))`` is
    scored by ``DomainIoUMetric(domain="bdd100k")``. Its pipeline may load labels by
    ``LoadAnnotations`` or ``LoadLabelIds``: both read the ids that are named here.

    Args:
        dataset: its config.
        domain: the name under which its frames are scored.
        ids: what its label images hold: ``"train_ids"``, as MMSegmentation reads them, or a table
            of `snr_plugins.data.label_ids`, whose classes become the dataset's.
        pipeline: in place of the dataset's own.
        lazy_init: as of MMSegmentation's datasets.
        labelled: False where no label image shall be opened, as of a target of adaptation.

    Raises:
        InputError: there is no such table; the dataset has ``reduce_zero_label`` beside a table; it
            holds no image, or label images of train ids where those of a table should be.
    """

    def __init__(
        self,
        dataset: dict,
        domain: str,
        ids: str = TRAIN_IDS,
        pipeline: Sequence | None = None,
        lazy_init: bool = False,
        labelled: bool = True,
    ) -> None:
        if ids not in (TRAIN_IDS, *TABLE_NAMES):
            raise InputError(
                f"DomainDataset {domain!r} has ids={ids!r}: choose from {TRAIN_IDS}, "
                f"{', '.join(TABLE_NAMES)}."
            )
        self.domain = domain
        self.ids = ids
        self.labelled = labelled
        own = pipeline if pipeline is not None else dataset.get("pipeline", ())
        transforms = [
            check_image,
            SetDomain(domain, ids),
            *with_label_ids(list(own)),
            SetDomain(domain),
        ]
        self.dataset = DATASETS.build({**dataset, "pipeline": transforms, "lazy_init": True})
        self._metainfo = self._metainfo_of_ids()
        if not lazy_init:
            self.full_init()

    def _metainfo_of_ids(self) -> dict:
        own = self.dataset.metainfo
        if self.ids == TRAIN_IDS:
            return own
        if list(self.dataset.METAINFO.get("classes", ())) == list(CLASSES[self.ids]):
            kept = own  # a subset of them may be chosen, as ever
        elif own.get("label_map"):
            raise InputError(
                f"DomainDataset {self.domain!r} has ids={self.ids!r}, whose classes become the "
                "dataset's, and a dataset with metainfo.classes: remove metainfo."
            )
        else:
            kept = {**own, "classes": CLASSES[self.ids]}
            if CLASSES[self.ids] == CITYSCAPES_CLASSES:
                kept["palette"] = CityscapesDataset.METAINFO["palette"]
        if own.get("reduce_zero_label"):
            raise InputError(
                f"DomainDataset {self.domain!r} has ids={self.ids!r} and a dataset with "
                "reduce_zero_label=True: remove one of the two."
            )
        return kept

    @property
    def metainfo(self) -> dict:
        """Classes, palette and so on of the labels that the pipeline puts out."""
        return copy.deepcopy(self._metainfo)

    def full_init(self) -> None:
        """List the dataset's frames."""
        try:
            self.dataset.full_init()
        except (InputError, UnicodeError):  # ValueErrors too, which say what is wrong
            raise
        except ValueError:  # MMEngine's, which cannot serialise an empty list
            if self.dataset.data_list:
                raise
            raise InputError(
                f"DomainDataset {self.domain!r}: its {type(self.dataset).__name__} holds no image; "
                "correct its data_root, data_prefix, img_suffix or ann_file."
            ) from None
        if not self.labelled:
            return
        infos = (self.dataset.get_data_info(index) for index in range(len(self.dataset)))
        labels = [Path(info["seg_map_path"]) for info in infos if "seg_map_path" in info]
        check_no_train_ids(labels, self.ids)

    def get_data_info(self, index: int) -> dict:
        """What the dataset knows of a frame before the pipeline."""
        return self.dataset.get_data_info(index)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]


@DATASETS.register_module()
class DomainConcatDataset(ConcatDataset):
    """MMEngine's ``ConcatDataset`` with one pipeline for all.

    What MMSegmentation's ``test.py --tta`` and ``MMSegInferencer`` look for in a test loader is
    ``dataset.pipeline``.

    Args:
        datasets: configs.
        pipeline: of every dataset, in place of its own; None leaves them theirs.
        options: arguments of ``ConcatDataset``.
    """

    def __init__(
        self, datasets: Sequence[dict], pipeline: Sequence | None = None, **options: Any
    ) -> None:
        if pipeline is not None:
            datasets = [{**dataset, "pipeline": pipeline} for dataset in datasets]
        super().__init__(datasets, **options)
