"""Source and target in one batch: the order of the frames, what the stamp says, what is refused."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.hooks import CheckpointHook, Hook
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler

from snr_plugins.errors import InputError


@DATA_SAMPLERS.register_module()
class SourceTargetSampler(Sampler[int]):
    """Frames of a source and a target by turns, without end: source, target, source, target.

    Each domain is a permutation after another of all its frames; which frame of the source meets
    which of the target changes. Pairs are dealt out to the processes: every even batch holds both
    domains in equal numbers, and all processes together see the pairs that one process with as
    many times the batch would see. The order is the seed's alone, whatever the number of workers.

    Args:
        dataset: a ``ConcatDataset`` of two, the source first.
        seed: of the order; by default the runner's ``randomness.seed``. With neither, one is drawn,
            and a resumed run gets another order.

    Raises:
        InputError: the dataset is none of two parts.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        parts = getattr(dataset, "datasets", ())
        if len(parts) != 2:
            raise InputError(
                f"SourceTargetSampler needs a source and a target, and train_dataloader.dataset is "
                f"a {type(dataset).__name__} of {len(parts) or 1}: set its type to "
                "SourceTargetDataset."
            )
        self.sizes = [len(part) for part in parts]
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.processes = get_dist_info()

    def __iter__(self) -> Iterator[int]:
        source, target = (self._endless(domain) for domain in (0, 1))
        pairs = zip(source, target, strict=True)
        yield from itertools.chain.from_iterable(
            itertools.islice(pairs, self.rank, None, self.processes)
        )

    def _endless(self, domain: int) -> Iterator[int]:
        # a generator each: of one seed, domains of one size would be paired for ever
        generator = torch.Generator().manual_seed(2 * self.seed + domain)
        first, size = self.sizes[0] * domain, self.sizes[domain]
        while True:
            yield from (first + torch.randperm(size, generator=generator)).tolist()

    def __len__(self) -> int:
        return sum(self.sizes)


def adaptation_of(dataset: Any) -> tuple[Any, Any] | None:
    """Source and target of a training dataset that holds both; None for any other."""
    both = hasattr(dataset, "source") and hasattr(dataset, "target")
    return (dataset.source, dataset.target) if both else None


def image_files(dataset: Any) -> list[str] | None:
    """The images of a dataset, each as the file that it is in the end.

    None of a dataset that does not say which files it reads, as anybody's may.
    """
    try:
        paths = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
    except (AttributeError, KeyError):
        return None
    return [os.path.realpath(path) for path in paths]


def refuse_choice_by_target(hooks: Iterable[Hook], dataset: Any) -> None:
    """No network of an adaptation may be chosen by scores on the target, whose labels are the test.

    Args:
        hooks: the runner's.
        dataset: that it trains on.

    Raises:
        InputError: a ``CheckpointHook`` has ``save_best`` of the target's scores, or of none in
            particular.
    """
    domains = adaptation_of(dataset)
    if domains is None:
        return
    target = getattr(domains[1], "domain", "")
    for hook in hooks:
        wanted = getattr(hook, "save_best", None) if isinstance(hook, CheckpointHook) else None
        for metric in [wanted] if isinstance(wanted, str) else wanted or []:
            scored, _, _ = metric.rpartition("/")
            if scored in ("", target):
                raise InputError(
                    f"save_best={metric!r} would choose the network by labels of the target "
                    f"{target!r}, which nobody has: leave save_best out, so that the last "
                    "iteration is scored, or name a score on the source."
                )
