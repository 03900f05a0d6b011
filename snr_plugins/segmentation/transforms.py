"""Label images to train ids, while they are loaded."""

from __future__ import annotations

from typing import Any

import mmengine.fileio as fileio
import numpy as np
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs, PhotoMetricDistortion
from mmseg.registry import TRANSFORMS

from snr_plugins.data.files import decode_ids
from snr_plugins.data.label_ids import IN_RED_CHANNEL, UNKNOWN, lookup_table
from snr_plugins.errors import InputError

TRAIN_IDS = "train_ids"  # what label images hold that MMSegmentation's own LoadAnnotations reads


@TRANSFORMS.register_module()
class LoadLabelIds(LoadAnnotations):
    """MMSegmentation's ``LoadAnnotations`` for label images that hold a dataset's own ids.

    Needs ``seg_map_path``, and ``label_ids`` unless ``ids`` is given; sets ``gt_seg_map`` (H, W),
    uint8, train ids with 255 for void, after the dataset's subset of classes has been applied. A
    bare image, which is no frame of a dataset, passes: so a test pipeline serves MMSegmentation's
    ``inference_model`` and ``MMSegInferencer`` too.

    Args:
        ids: name of a table of `snr_plugins.data.label_ids`, or ``"train_ids"`` for label images
            that ``LoadAnnotations`` reads rightly, for a dataset that does not name its own; those
            of `snr_plugins.segmentation.datasets` do.
        backend_args: where files are read from, as in MMEngine.

    Raises:
        InputError: when loading, if the label file is missing, damaged, no image of ids, of another
            size than its image, or holds an id that its dataset does not define.
    """

    def __init__(self, ids: str | None = None, backend_args: dict | None = None) -> None:
        super().__init__(backend_args=backend_args)
        self.ids = ids
        self.tables = {} if ids in (None, TRAIN_IDS) else {ids: lookup_table(ids)}

    def _load_seg_map(self, results: dict) -> None:
        if "seg_fields" not in results:  # every frame of a dataset has it
            return
        if "seg_map_path" not in results:
            raise InputError(
                f"{results.get('img_path')} has no label: its dataset has labelled=False, so take "
                "LoadLabelIds out of its pipeline."
            )
        path, ids = results["seg_map_path"], self._table_name(results)
        if ids == TRAIN_IDS:
            super()._load_seg_map(results)
            return
        if ids not in self.tables:
            self.tables[ids] = lookup_table(ids)
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise InputError(f"The label image {path} cannot be read: {error.strerror}.") from error
        raw_ids = decode_ids(content, path, ids in IN_RED_CHANNEL)
        _check_size(raw_ids, results)
        train_ids = self.tables[ids][raw_ids]
        unknown = train_ids == UNKNOWN
        if unknown.any():
            found = ", ".join(map(str, np.unique(raw_ids[unknown])))
            raise InputError(
                f"{path} holds the ids {found}, which the table {ids!r} does not define: use the "
                "label image that the dataset came with, or the right table."
            )
        results["gt_seg_map"] = _subset_table(results.get("label_map"))[train_ids]
        results["seg_fields"].append("gt_seg_map")

    def _table_name(self, results: dict) -> str:
        of_dataset = results.get("label_ids")
        if self.ids is None and of_dataset is None:
            raise InputError(
                f"Nothing says which ids {results['seg_map_path']} holds: give LoadLabelIds the "
                "argument ids, such as ids='cityscapes'."
            )
        if self.ids and of_dataset and self.ids != of_dataset:
            raise InputError(
                f"LoadLabelIds has ids={self.ids!r} but the dataset of {results['seg_map_path']} "
                f"has the ids of {of_dataset!r}: leave the argument out."
            )
        return self.ids or str(of_dataset)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(ids={self.ids!r}, backend_args={self.backend_args})"


def with_label_ids(pipeline: Any) -> Any:
    """The pipeline with a `LoadLabelIds` in the place of each ``LoadAnnotations``.

    The stock transform takes the stored ids for train ids, which those of most datasets are not.

    Args:
        pipeline: of configs or built transforms, nested as in ``TestTimeAug`` perhaps.

    Raises:
        InputError: one has ``reduce_zero_label``, which means nothing where a table says which id
            is void.
    """
    if isinstance(pipeline, list | tuple):
        return type(pipeline)(map(with_label_ids, pipeline))
    if type(pipeline) is LoadAnnotations:
        pipeline = {"type": LoadAnnotations, **vars(pipeline)}
    if not isinstance(pipeline, dict):
        return pipeline
    if pipeline.get("type") not in (LoadAnnotations, "LoadAnnotations", "mmseg.LoadAnnotations"):
        return {key: with_label_ids(value) for key, value in pipeline.items()}
    if pipeline.get("reduce_zero_label"):
        raise InputError(
            "LoadAnnotations has reduce_zero_label=True, but the dataset's own table says which of "
            "its ids are void: remove the argument."
        )
    return {"type": LoadLabelIds, "backend_args": pipeline.get("backend_args")}


def without_labels(pipeline: Any) -> Any:
    """The pipeline for images alone: no label is loaded, and no crop is chosen by its labels.

    Args:
        pipeline: of configs or built transforms, nested as in ``TestTimeAug`` perhaps.
    """
    if isinstance(pipeline, list | tuple):
        kept = [step for step in pipeline if not any(_is(step, loading) for loading in LOADING)]
        return type(pipeline)(map(without_labels, kept))
    if not isinstance(pipeline, dict):
        return pipeline
    return {key: without_labels(value) for key, value in pipeline.items() if key != "cat_max_ratio"}


def _check_size(ids: np.ndarray, results: dict) -> None:
    # Not the shape of results["img"]: test pipelines load the label after they resize the image.
    size = results.get("ori_shape")
    if size is not None and tuple(size[:2]) != ids.shape:
        raise InputError(
            f"{results['seg_map_path']} is {ids.shape[1]}x{ids.shape[0]} pixels but its image "
            f"{results['img_path']} is {size[1]}x{size[0]}: both must come from the same frame and "
            "size."
        )


def _subset_table(label_map: dict[int, int] | None) -> np.ndarray:
    """(256,), uint8: train id among the chosen classes of each train id among all classes."""
    table = np.arange(256, dtype=np.uint8)
    for old_id, new_id in (label_map or {}).items():
        table[old_id] = new_id
    return table


def with_photometric(pipeline: list) -> list:
    """The pipeline with MMSegmentation's ``PhotoMetricDistortion`` in front of the packing.

    With its own ranges: each with probability 1/2, brightness by 32 of 255, contrast and saturation
    by a factor of 0.5 to 1.5, hue by 18 of 180. One that has it already stays as it is.

    Args:
        pipeline: of configs or built transforms.
    """
    if any(_is(step, PhotoMetricDistortion) for step in pipeline):
        return pipeline
    packing = next((i for i, s in enumerate(pipeline) if _is(s, PackSegInputs)), len(pipeline))
    return [*pipeline[:packing], {"type": PhotoMetricDistortion}, *pipeline[packing:]]


LOADING = (LoadLabelIds, LoadAnnotations)


def _is(step: Any, transform: type) -> bool:
    kind = step.get("type") if isinstance(step, dict) else type(step)
    return kind in (transform, transform.__name__, f"mmseg.{transform.__name__}")
