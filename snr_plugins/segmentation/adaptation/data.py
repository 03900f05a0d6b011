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
            the source's, less what needs labels. Both may lie in wrappers, as ``RepeatDataset``.
        lazy_init: as of MMEngine's.
    """

    def __init__(self, source: dict, target: dict | str, lazy_init: bool = False) -> None:
        if isinstance(target, str):
            target = {"type": "ImageFolderDataset", "folder": target}
        self.source = DATASETS.build(source)
        self.target = DATASETS.build(_unlabelled(target, _pipeline_of(source)))
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


def _parts(config: dict) -> list[dict]:
    """What a wrapper wraps: RepeatDataset's ``dataset``, ConcatDataset's ``datasets``."""
    inner = config.get("datasets", config.get("dataset", []))
    return [inner] if isinstance(inner, dict) else list(inner)


def _pipeline_of(config: dict) -> Sequence:
    """A dataset's own, or that of the first that it wraps."""
    found = [config.get("pipeline"), *map(_pipeline_of, _parts(config))]
    return next(filter(None, found), ())


def _unlabelled(config: dict, pipeline: Sequence) -> dict:
    """The config of a dataset, and of those which it wraps, that opens no label.

    Args:
        config: the dataset's.
        pipeline: where it has none of its own.
    """
    config, parts = dict(config), _parts(config)
    pipeline = config.get("pipeline") or pipeline
    inner = [_unlabelled(part, pipeline) for part in parts]
    if "datasets" in config:
        config["datasets"] = inner
    elif parts:
        (config["dataset"],) = inner
    if not parts or config.get("pipeline"):
        config["pipeline"] = without_labels(list(pipeline))
    kind = config.get("type")
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    if kind is not None and "labelled" in inspect.signature(kind).parameters:
        config["labelled"] = False
    return config


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
