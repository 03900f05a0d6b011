"""Scores of each domain apart, from one pass over one test loader."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

from snr_plugins.errors import InputError

OTHER_DOMAIN = ()


class CountingIoUMetric(IoUMetric):
    """MMSegmentation's ``IoUMetric``, but the pixels of large images are counted to the last.

    Its ``torch.histc`` counts in float32, which stands still at 2 ** 24 pixels of a class in one
    image: an IoU may then be above 100 (pytorch/pytorch#96613).
    """

    @staticmethod
    def intersect_and_union(
        pred_label: Tensor, label: Tensor, num_classes: int, ignore_index: int
    ) -> tuple[Tensor, ...]:
        """MMSegmentation's: pixels of each class, of intersection, union, prediction and label.

        Args:
            pred_label, label: (H, W) of whole numbers; those outside the classes count nowhere.
            num_classes: length of what is returned, in float64.
            ignore_index: the label of pixels that do not count.
        """
        pred_label, label = (x[label != ignore_index].long() for x in (pred_label, label))

        def count(labels: Tensor) -> Tensor:
            known = labels[(labels >= 0) & (labels < num_classes)]
            return torch.bincount(known, minlength=num_classes).cpu().double()

        both, predicted, true = map(count, (pred_label[pred_label == label], pred_label, label))
        return both, predicted + true - both, predicted, true


@METRICS.register_module()
class DomainIoUMetric(CountingIoUMetric):
    """MMSegmentation's ``IoUMetric`` over the frames of one domain.

    With one such metric for each domain, a loader over a ``ConcatDataset`` of them all gives
    ``clear/mIoU``, ``foggy_beta_0.02/mIoU`` and so on in MMEngine's own test loop, and for every
    class ``clear/IoU-car``; NaN where it is neither there nor predicted. The frames of
    `snr_plugins.segmentation.datasets` name their domain, and those of anybody's dataset in a
    ``DomainDataset``. ``CheckpointHook(save_best="day/mIoU", rule="greater")`` keeps the network
    that is best on one domain; let it be the source's, as a target's scores are the test.

    Args:
        domain: the domain of the frames to count.
        prefix: what stands before the names of the scores; by default the domain.
        classes: names of the classes to average over, as in the table of SYNTHIA over 13 of its 16
            classes; by default all. A class that is left out stays a possible wrong answer.
        options: arguments of ``IoUMetric``.

    Raises:
        InputError: there is no such option; a frame names no domain; at the end, if no frame was of
            this one, or the dataset lacks one of ``classes``.
    """

    def __init__(
        self,
        domain: str,
        prefix: str | None = None,
        classes: Sequence[str] | None = None,
        **options,
    ) -> None:
        known = inspect.signature(IoUMetric).parameters
        for name in options:  # IoUMetric takes any, and nobody reads one that is misspelt
            if name not in known:
                raise InputError(
                    f"DomainIoUMetric has no option '{name}'; choose from: domain, classes, "
                    f"{', '.join(known)}"
                )
        super().__init__(prefix=prefix or domain, **options)
        self.domain = domain
        self.classes = classes
        self.other_domains: set[str] = set()

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            domain = sample.get("domain")
            if domain is None:
                raise InputError(
                    f"The frame {sample.get('img_path', 'without img_path')} names no domain: add "
                    "'domain' to meta_keys of PackSegInputs, or put its dataset in a DomainDataset."
                )
            if domain == self.domain:
                super().process(data_batch, [sample])
                continue
            # One result per frame, counted or not: from several processes MMEngine interleaves
            # the results and drops the sampler's repeated frames by their position at the end.
            self.results.append(OTHER_DOMAIN)
            self.other_domains.add(domain)

    def compute_metrics(self, results: list) -> dict[str, float]:
        counted = [result for result in results if result != OTHER_DOMAIN]
        if not counted and not self.format_only:
            raise InputError(
                f"No frame of the domain {self.domain!r} was tested, only of "
                f"{', '.join(sorted(self.other_domains)) or 'none'}: add its dataset to the test "
                "loader, or remove its DomainIoUMetric."
            )
        if self.classes is None:
            return self._with_classes(counted)
        return self._compute_over(self.classes, counted)

    def _with_classes(self, results: list) -> dict[str, float]:
        """The framework's scores, and the IoU of each class, which it only prints."""
        scores = super().compute_metrics(results)
        if results and "mIoU" in self.metrics:
            areas = [sum(frames) for frames in zip(*results, strict=True)]
            iou = self.total_area_to_metrics(*areas, ["mIoU"], self.nan_to_num)["IoU"]
            names = self.dataset_meta["classes"]
            scores |= {
                f"IoU-{n}": round(100 * float(v), 2) for n, v in zip(names, iou, strict=True)
            }
        return scores

    def _compute_over(self, classes: Sequence[str], results: list) -> dict[str, float]:
        all_meta = self.dataset_meta  # type: ignore[has-type]
        unknown = [name for name in classes if name not in all_meta["classes"]]
        if unknown:
            raise InputError(
                f"DomainIoUMetric should average over {', '.join(unknown)}, which the dataset does "
                f"not have: choose classes from {', '.join(all_meta['classes'])}."
            )
        kept = [all_meta["classes"].index(name) for name in classes]
        # The framework takes the names of its table, and how many there are, from dataset_meta.
        self.dataset_meta = {**all_meta, "classes": classes}
        try:
            return self._with_classes([tuple(area[kept] for area in areas) for areas in results])
        finally:
            self.dataset_meta = all_meta
