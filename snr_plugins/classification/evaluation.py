"""The accuracy of each domain, from one pass over one test loader."""

from __future__ import annotations

from collections.abc import Sequence

from mmpretrain.evaluation import Accuracy
from mmpretrain.registry import METRICS

from snr_plugins.errors import InputError


@METRICS.register_module()
class DomainAccuracy(Accuracy):
    """MMPretrain's ``Accuracy`` of each domain: ``sketch/accuracy``, in percent.

    And of its classes: ``sketch/accuracy-dog``. ``CheckpointHook(save_best="sources/accuracy",
    rule="greater")`` keeps the network that is best on the sources; a held-out domain is the test.

    Raises:
        InputError: an image names no domain.
    """

    default_prefix = None

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep each image's prediction with its domain."""
        already = len(self.results)
        super().process(data_batch, data_samples)
        for result, sample in zip(self.results[already:], data_samples, strict=True):
            if "domain" not in sample:
                raise InputError(
                    f"The image {sample.get('img_path', 'without img_path')} names no domain: add "
                    "'domain' to meta_keys of PackInputs."
                )
            result["domain"] = sample["domain"]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        scores = {}
        classes = self.dataset_meta["classes"]
        for domain in dict.fromkeys(result["domain"] for result in results):
            own = [result for result in results if result["domain"] == domain]
            scores[f"{domain}/accuracy"] = super().compute_metrics(own)["top1"]
            for number, name in enumerate(classes):
                if of_class := [result for result in own if result["gt_label"] == number]:
                    score = super().compute_metrics(of_class)["top1"]
                    scores[f"{domain}/accuracy-{name}"] = score
        return scores
