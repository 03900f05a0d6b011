"""A labelled source and an unlabelled target as one training dataset."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from typing import Any

from mmengine.dataset import ConcatDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from snr_plugins.data.folder import read_image_folder
from snr_plugins.openmmlab.whole_images import check_image
from snr_plugins.segmentation.transforms import without_labels


@DATASETS.register_module()
class SourceTargetDataset(ConcatDataset):
    """The frames of a source, then those of a target, each of which says which it is.

    For `snr_plugins.openmmlab.source_target.SourceTargetSampler`, which mixes them, and
    `SourceTargetPreProcessor`, which takes them apart. The target's labels are not read: label
    loading is taken out of its pipeline, and a dataset with the option ``labelled`` gets False.

    Args:
        source: config of a dataset with labels; its classes are the whole's.
        target: config of any dataset, or a folder of pictures. Without a pipeline of its own it has
            the source's, less what needs labels.
        lazy_init: as of MMEngine's.
    """

    def __init__(self, source: dict, target: dict | str, lazy_init: bool = False) -> None:
        if isinstance(target, str):
            target = {"type": "ImageFolderDataset", "folder": target}
        pipeline = target.get("pipeline", source.get("pipeline", ()))
        target = {**target, "pipeline": without_labels(list(pipeline))}
        kind = DATASETS.get(target["type"]) if isinstance(target["type"], str) else target["type"]
        if "labelled" in inspect.signature(kind).parameters:
            target["labelled"] = False
        self.source = DATASETS.build(source)
        self.target = DATASETS.build(target)
        # not ConcatDataset's __init__: it wants one metainfo, and a folder of pictures has none
        self.datasets = [self.source, self.target]
        self._metainfo = self.source.metainfo
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def __getitem__(self, index: int) -> dict:
        packed = super().__getitem__(index)
        part, _ = self._get_ori_dataset_idx(index)
        packed["data_samples"].set_metainfo({"is_target": part == 1})
        return packed


@DATASETS.register_module()
class ImageFolderDataset(BaseSegDataset):
    """All images of a folder and the folders below it, without labels.

    Args:
        folder: of PNG and JPEG images, as a camera or another dataset left them.
        domain: the name of what they show; by default the folder's.
        pipeline, options: arguments of ``BaseSegDataset``.

    Raises:
        InputError: the folder is missing or empty, or an image is damaged.
    """

    def __init__(
        self, folder: str, domain: str = "", pipeline: Sequence = (), **options: Any
    ) -> None:
        self.folder = folder
        self.domain = domain or os.path.basename(os.path.normpath(folder))
        pipeline = [check_image, *pipeline]
        super().__init__(data_prefix={"img_path": folder}, pipeline=pipeline, **options)

    def load_data_list(self) -> list[dict]:
        """A record of MMSegmentation's for each image."""
        return [
            {
                "img_path": record["file_name"],
                "label_map": self.label_map,
                "reduce_zero_label": self.reduce_zero_label,
                "seg_fields": [],
                "domain": self.domain,
            }
            for record in read_image_folder(self.folder)
        ]
