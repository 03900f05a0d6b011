"""Domains by turns: equal numbers in every batch, whatever their sizes."""

import itertools

import pytest
from torch.utils.data import ConcatDataset

from snr_plugins.errors import InputError
from snr_plugins.openmmlab import domain_turns
from snr_plugins.openmmlab.domain_turns import DomainTurnsSampler

SIZES = (5, 2, 3)
DATASET = ConcatDataset([range(size) for size in SIZES])
DOMAIN_OF = [domain for domain, size in enumerate(SIZES) for _ in range(size)]


def order(count, seed=0, dataset=DATASET):
    return list(itertools.islice(DomainTurnsSampler(dataset, seed), count))


def test_every_batch_holds_all_domains_and_each_domain_comes_whole():
    images = order(3 * 30)
    assert [DOMAIN_OF[image] for image in images] == [0, 1, 2] * 30
    for domain, size in enumerate(SIZES):
        own = images[domain::3]
        for start in range(0, 30, size):
            assert sorted(own[start : start + size]) == [
                image for image, of in enumerate(DOMAIN_OF) if of == domain
            ]


def test_domains_of_one_size_do_not_meet_image_for_image():
    images = order(3 * 200, dataset=ConcatDataset([range(5)] * 3))
    assert len(set(zip(images[::3], images[1::3], strict=True))) == 25


def test_the_seed_decides():
    assert order(40) == order(40) != order(40, seed=1)


def test_processes_see_together_what_one_sees(monkeypatch):
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(domain_turns, "get_dist_info", lambda rank=rank: (rank, 2))
        shares.append(order(30))
    monkeypatch.undo()
    both = [set(shares[0][i : i + 3]) | set(shares[1][i : i + 3]) for i in range(0, 30, 3)]
    assert both == [set(order(60)[i : i + 6]) for i in range(0, 60, 6)]


def test_a_dataset_without_parts_is_refused():
    with pytest.raises(InputError, match="needs a ConcatDataset of domains, and the train loader"):
        DomainTurnsSampler(range(3))
