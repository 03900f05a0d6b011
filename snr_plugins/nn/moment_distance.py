"""How far the features of several domains lie apart, by their moments.

M3SDA: Peng et al., Moment Matching for Multi-Source Domain Adaptation, ICCV 2019, arXiv 1812.01754,
eq. 1. The mean of a feature's k-th powers is a vector; what is summed over k = 1, 2 is

    1/N sum_i || E[X_i^k] - E[T^k] ||  +  1/C(N, 2) sum_{i<j} || E[X_i^k] - E[X_j^k] ||

with N sources X_i and a target T. The authors' code does otherwise: its first "moment" is the
distance of unpaired samples, it has centred higher moments of some domains alone, and one of the
six pairs of its four sources is counted twice, another not at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from snr_plugins.errors import InputError


def moment_distance(sources: Sequence[Tensor], target: Tensor, moments: int = 2) -> Tensor:
    """The moment distance of some sources and a target; a scalar, 0 where their moments agree.

    Of one source the second term is 0. Domains may differ in their number of samples.

    Args:
        sources: N tensors (B_i, C), a source's features each.
        target: (B, C).
        moments: the highest k; the paper's 2.

    Raises:
        InputError: there is no source, or a domain has no sample.

    Example:
        >>> moment_distance([torch.tensor([[3.0, 4.0]])], torch.zeros(2, 2), moments=1)
        tensor(5.)
    """
    if not sources or not all(len(features) for features in (*sources, target)):
        raise InputError(
            "moment_distance needs a sample of each domain: let the batch hold every source and "
            "the target"
        )
    total = target.new_zeros(())
    for k in range(1, moments + 1):
        means = [(features**k).mean(dim=0) for features in sources]  # (C,) each
        of_target = (target**k).mean(dim=0)
        total = total + _mean_norm([mean - of_target for mean in means])
        pairs = [first - second for first, second in itertools.combinations(means, 2)]
        if pairs:
            total = total + _mean_norm(pairs)
    return total


def _mean_norm(vectors: Sequence[Tensor]) -> Tensor:
    return torch.linalg.vector_norm(torch.stack(list(vectors)), dim=1).mean()
