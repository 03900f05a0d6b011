"""Detectron2's COCO evaluator, on freshly converted boxes, with every class's AP50 and a stamp."""

from __future__ import annotations

import os

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets.coco import convert_to_coco_json
from detectron2.evaluation import COCOEvaluator
from detectron2.utils import comm
from pycocotools.cocoeval import COCOeval

from snr_plugins.detection.stamp import Run, stamp_of
from snr_plugins.results import median_distances, write_stamp


class StampedCOCOEvaluator(COCOEvaluator):
    """The framework's evaluator; its results gain ``AP50-<class>``, in percent, and a stamp.

    The framework reports AP for every class but AP50, the metric of the foggy benchmarks, only
    for their mean. NaN where a class has no box in the dataset. Boxes of VOC's convention have
    ``AP50-11-points`` too, the mean over 11 recall levels in place of COCO's 101, as VOC 2007 has
    it; boxes are matched as COCO does. The stamp is ``{output_dir}/{dataset_name}_stamp.json``.

    Args:
        dataset_name, output_dir: as `coco_evaluator`.
        run: what the stamp says of the run.
    """

    def __init__(self, dataset_name: str, output_dir: str, run: Run | None) -> None:
        super().__init__(dataset_name, output_dir=output_dir)
        self.dataset_name = dataset_name
        self.run = run

    def reset(self) -> None:
        super().reset()
        self._distances: list[dict[str, float]] = []  # of each image, by SNR

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        super().process(inputs, outputs)
        for output in outputs:
            distances = output.get("style_distance", {})
            self._distances.append({name: float(d) for name, d in distances.items()})

    def evaluate(self, img_ids: list[int] | None = None) -> dict:
        """The framework's results; the first process writes and logs the stamp."""
        results = super().evaluate(img_ids)
        distances = [image for process in comm.gather(self._distances) for image in process]
        if results and comm.is_main_process():
            stamp = stamp_of(self.dataset_name, self._coco_api.dataset, self.run, results)
            stamp["style_distance"] = {self.dataset_name: median_distances(distances)}
            path = os.path.join(self._output_dir, f"{self.dataset_name}_stamp.json")
            self._logger.info(write_stamp(path, stamp))
        return results

    def _derive_coco_results(
        self, coco_eval: COCOeval | None, iou_type: str, class_names: list[str] | None = None
    ) -> dict[str, float]:
        results = super()._derive_coco_results(coco_eval, iou_type, class_names)
        if coco_eval is not None and class_names:
            results.update(_ap50_per_class(coco_eval, class_names))
            if MetadataCatalog.get(self.dataset_name).get("box_convention") == "voc":
                results["AP50-11-points"] = _ap50_of_11_points(coco_eval)
        return results


def coco_evaluator(dataset_name: str, output_dir: str, run: Run | None = None) -> COCOEvaluator:
    """An evaluator whose boxes are those of the dataset as it is now.

    Left alone, the framework writes ``{output_dir}/{dataset_name}_coco_format.json`` once and from
    then on evaluates against that file, whatever has become of the dataset. Here the first process
    of each machine converts anew and the others wait for it. Must be called in every process of a
    distributed run.

    Small, medium and large refer to the area of the box, except where the dataset is a COCO file
    with areas of its own (`register_coco_folder`), which is evaluated as its loader mended it.

    Args:
        dataset_name: a registered dataset.
        output_dir: folder for the converted boxes, the predictions and the stamp.
        run: what the stamp says of weights, image size and seed; unknown where None.

    Raises:
        InputError: the dataset cannot be read.
    """
    metadata = MetadataCatalog.get(dataset_name)
    if metadata.get("source_file"):
        DatasetCatalog.get(dataset_name)  # which sets json_file to what it has read
    converted_name = f"{dataset_name}_coco_format.json"
    known = metadata.get("json_file")
    if known is None or os.path.basename(known) == converted_name:
        # The framework remembers the first converted file in the metadata, which refuses to
        # change; an evaluator made later, perhaps elsewhere, must not fall back on that one.
        vars(metadata).pop("json_file", None)
        json_file = os.path.join(output_dir, converted_name)
        if comm.get_local_rank() == 0:  # as machines may not share a file system
            convert_to_coco_json(dataset_name, json_file, allow_cached=False)
        comm.synchronize()
        metadata.json_file = json_file
    return StampedCOCOEvaluator(dataset_name, output_dir, run)


def _precision_at_50(coco_eval: COCOeval) -> np.ndarray:
    """(101 recall levels, classes): the best precision from each level on; -1 without a box."""
    # precision: (IoU thresholds, recall levels, classes, area ranges, detection limits);
    # area range 0 is "all" and the last limit the largest, as in the framework's AP per class.
    at_50 = int(np.flatnonzero(np.isclose(coco_eval.params.iouThrs, 0.5))[0])
    return coco_eval.eval["precision"][at_50, :, :, 0, -1]


def _ap50_of_11_points(coco_eval: COCOeval) -> float:
    # of the recall levels 0, 0.01, ... 1 those that VOC 2007 looks at
    levels = _precision_at_50(coco_eval)[::10]
    known = levels[:, (levels > -1).all(0)]
    return float(100 * known.mean()) if known.size else float("nan")


def _ap50_per_class(coco_eval: COCOeval, class_names: list[str]) -> dict[str, float]:
    precision = _precision_at_50(coco_eval)
    results = {}
    for index, name in enumerate(class_names):
        levels = precision[:, index]
        levels = levels[levels > -1]
        results[f"AP50-{name}"] = float(100 * levels.mean()) if levels.size else float("nan")
    return results
