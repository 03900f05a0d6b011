"""Batches that hold every domain in equal numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from snr_plugins.errors import InputError


@DATA_SAMPLERS.register_module()
class DomainTurnsSampler(Sampler[int]):
    """Images of some domains by turns, without end: first, second, third, first, ...

    Each domain is a permutation after another of all its images, so a small one is seen as often as
    a large one; which images meet changes. Rounds are dealt out to the processes: every batch whose
    size is a multiple of the number of domains holds all of them in equal numbers, and all
    processes together see the rounds that one process with as many times the batch would see. The
    order is the seed's alone, whatever the number of workers.

    Args:
        dataset: a ``ConcatDataset`` of the domains.
        seed: of the order; by default the runner's ``randomness.seed``. With neither, one is drawn,
            and a resumed run gets another order.

    Raises:
        InputError: the dataset has no parts.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        parts = getattr(dataset, "datasets", ())
        if not parts:
            raise InputError(
                f"{type(self).__name__} needs a ConcatDataset of domains, and the train loader's "
                f"dataset is a {type(dataset).__name__}: choose another sampler or dataset."
            )
        self.sizes = [len(part) for part in parts]
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.processes = get_dist_info()

    def __iter__(self) -> Iterator[int]:
        rounds = zip(*map(self._endless, range(len(self.sizes))), strict=True)
        yield from itertools.chain.from_iterable(
            itertools.islice(rounds, self.rank, None, self.processes)
        )

    def _endless(self, domain: int) -> Iterator[int]:
        # a generator each: of one seed, domains of one size would meet image for image for ever
        generator = torch.Generator().manual_seed(len(self.sizes) * self.seed + domain)
        first, size = sum(self.sizes[:domain]), self.sizes[domain]
        while True:
            yield from (first + torch.randperm(size, generator=generator)).tolist()

    def __len__(self) -> int:
        return sum(self.sizes)
