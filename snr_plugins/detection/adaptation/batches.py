"""Batches of two domains through Detectron2's own loader."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from detectron2.data import DatasetFromList
from detectron2.data.common import ToIterableDataset
from detectron2.data.samplers import TrainingSampler
from detectron2.utils import comm
from torch.utils.data import IterableDataset, Sampler

from snr_plugins.detection.resuming import iterations_done
from snr_plugins.errors import InputError


@dataclass(frozen=True)
class Batches:
    """What the loader will make batches of.

    Args:
        images: of all processes together, SOLVER.IMS_PER_BATCH.
        by_aspect_ratio: DATALOADER.ASPECT_RATIO_GROUPING.
    """

    images: int
    by_aspect_ratio: bool = False

    def of_a_process(self) -> int:
        """Images in each process's batch, half of them the source's.

        Raises:
            InputError: the images cannot be split evenly, or are grouped by their shape.
        """
        processes = comm.get_world_size()
        if self.images % (2 * processes) or not self.images:
            raise InputError(
                f"SOLVER.IMS_PER_BATCH is {self.images}: each of {processes} processes needs as "
                f"many images of the source as of the target; take a multiple of {2 * processes}"
            )
        if self.by_aspect_ratio:
            raise InputError(
                "DATALOADER.ASPECT_RATIO_GROUPING is True: batches grouped by shape do not hold "
                "both domains; set it to False"
            )
        return self.images // processes


class AlternatingSampler(Sampler):
    """Endless indices of this process: source, target, source, target.

    Each domain is shuffled by a `TrainingSampler` of its own, so each is seen whole before any
    image of it comes again, and two domains of the same scenes are not seen in pairs. A run that is
    resumed goes on with the images that it would have seen: the iterator skips what the iterations
    before the event storage's have taken.

    Args:
        sources: number of the source's images; the target's indices begin there.
        targets: number of the target's images.
        batch: images in each process's batch.
        seed: the same in every process; None for one drawn together, as by Detectron2's.
    """

    def __init__(self, sources: int, targets: int, batch: int, seed: int | None = None) -> None:
        seed = comm.shared_random_seed() if seed is None else seed
        self.sources = sources
        self.batch = batch
        self._source = TrainingSampler(sources, seed=seed)
        self._target = TrainingSampler(targets, seed=seed + 1)

    def __iter__(self) -> Iterator[int]:
        start = iterations_done() * self.batch // 2
        source = itertools.islice(self._source, start, None)
        target = itertools.islice(self._target, start, None)
        for of_source, of_target in zip(source, target, strict=False):
            yield of_source
            yield self.sources + of_target


def alternating(source: list[dict], target: list[dict], batches: Batches) -> IterableDataset:
    """Records of both domains in the order of the batches, for ``build_detection_train_loader``.

    Its workers take whole batches in turn, so the order is the same for any number of them.
    """
    batch = batches.of_a_process()
    sampler = AlternatingSampler(len(source), len(target), batch)
    records = DatasetFromList([*source, *target], copy=False)
    return ToIterableDataset(records, sampler, shard_chunk_size=batch)
