"""A trained segmentor of MMSegmentation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import Compose, pseudo_collate
from mmengine.runner import CheckpointLoader
from mmseg.apis import init_model
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from torch import Tensor
from weights import check_weights

from looking.network import Domain, Frame, images_of, spread
from snr_plugins.errors import InputError
from snr_plugins.nn.teacher import answering
from snr_plugins.openmmlab.launch import load_config
from snr_plugins.openmmlab.whole_images import check_image
from snr_plugins.segmentation.evaluation import CountingIoUMetric

IGNORED = 255
LEAST = 4  # pixels of a feature map that a class has to fill to be pooled


class SegmentorNetwork:
    """See `looking.network.Network`.

    Args:
        checkpoint, config: files.
        device: of torch.
    """

    metric = "mIoU"

    def __init__(self, checkpoint: Path, config: Path, device: str) -> None:
        self.cfg = load_config(str(config))
        content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location="cpu")
        if not (isinstance(content, dict) and "dataset_meta" in content.get("meta", {})):
            raise InputError(
                f"{checkpoint} does not name its classes, as MMSegmentation's trainer notes them; "
                "name a checkpoint of its work folder"
            )
        model = init_model(self.cfg, str(checkpoint), device=device).eval()
        if not hasattr(model, "encode_decode"):
            raise InputError(f"{config} is of no segmentor; name one of a detector or segmentor")
        check_weights(model, checkpoint, content)
        self.model = answering(model)
        self.meta = model.dataset_meta
        self.classes = list(self.meta["classes"])
        self.colours = [list(map(int, rgb)) for rgb in self.meta["palette"]]
        self._parts: dict[str, object] | None = None

    def domains(self) -> list[str]:
        return list(self._datasets())

    def _datasets(self) -> dict[str, object]:
        """The config's test datasets by domain; built, and looked for on disk, when first asked."""
        if self._parts is None:
            whole = DATASETS.build(self.cfg.test_dataloader.dataset)
            parts = getattr(whole, "datasets", [whole])
            self._parts = {getattr(p, "domain", type(p).__name__): p for p in parts}
        return self._parts

    def frames(self, domain: Domain, count: int) -> Iterator[Frame]:
        if domain.path is not None:
            load = Compose([check_image, *_without_labels(self._pipeline())])
            for path in spread(images_of(domain.path), count):
                yield self._frame(domain, load({"img_path": str(path), "seg_fields": []}))
            return
        if domain.name not in self._datasets():
            raise InputError(
                f"{domain.name} is neither a file, a folder nor a domain of the config; name a "
                f"folder, or one of: {', '.join(self.domains())}"
            )
        dataset = self._datasets()[domain.name]
        for index in spread(range(len(dataset)), count):
            yield self._frame(domain, dataset[index])

    def _pipeline(self) -> list[dict]:
        dataset = self.cfg.test_dataloader.dataset
        while "pipeline" not in dataset:
            dataset = dataset["datasets"][0] if "datasets" in dataset else dataset["dataset"]
        return dataset["pipeline"]

    @staticmethod
    def _frame(domain: Domain, item: dict) -> Frame:
        sample = item["data_samples"]
        truth = sample.gt_sem_seg if "gt_sem_seg" in sample else None
        return Frame(domain.name, sample.img_path, item, truth)

    @torch.no_grad()
    def predict(self, frame: Frame) -> SegDataSample:
        return self.model.test_step(pseudo_collate([frame.inputs]))[0]

    def drawn(self, frame: Frame, output: SegDataSample | None = None) -> np.ndarray:
        image = mmcv.imread(frame.path, channel_order="rgb")
        sample = SegDataSample()
        if output is not None:
            sample.pred_sem_seg = output.pred_sem_seg
        elif frame.truth is not None:
            sample.gt_sem_seg = frame.truth
        else:
            return image
        visualizer = SegLocalVisualizer(alpha=0.6)
        visualizer.set_dataset_meta(self.classes, self.colours)
        with tempfile.TemporaryDirectory(prefix="snr_plugins_") as folder:
            file = str(Path(folder, "drawn.png"))  # the only way that it hands a drawing out
            visualizer.add_datasample("", image, sample, out_file=file, with_labels=False)
            return mmcv.imread(file, channel_order="rgb")

    def pooled(
        self, frame: Frame, output: SegDataSample, features: Tensor, stride: float
    ) -> tuple[Tensor, list[int]]:
        labels = (frame.truth or output.pred_sem_seg).data[None].float()
        # nearest: a label is a name, not a quantity
        small = F.interpolate(labels, features.shape[2:], mode="nearest")[0, 0].to(features.device)
        present = [c for c in small.unique().int().tolist() if c != IGNORED]
        present = [c for c in present if (small == c).sum() >= LEAST]
        means = [features[0, :, small == c].mean(1) for c in present]
        return torch.stack(means) if means else features.new_zeros(0, features.shape[1]), present

    def scorer(self, domain: Domain) -> IoUScorer | None:
        return IoUScorer(self.meta) if domain.path is None else None


def _without_labels(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline for images that have none: all that loads, but for the image itself, goes."""
    kept = [t for t in pipeline if t["type"] == "LoadImageFromFile" or "Load" not in t["type"]]
    return [t for t in kept if t["type"] != "SetDomain"]


class IoUScorer:
    """mIoU of MMSegmentation's metric on any of a dataset's images."""

    def __init__(self, dataset_meta: dict) -> None:
        self._metric = CountingIoUMetric()
        self._metric.dataset_meta = dataset_meta

    def add(self, frame: Frame, output: SegDataSample) -> None:
        self._metric.process({}, [output.to_dict()])

    def score(self, indices: Sequence[int]) -> float:
        areas = [self._metric.results[i] for i in indices]
        return float(self._metric.compute_metrics(areas)["mIoU"])
