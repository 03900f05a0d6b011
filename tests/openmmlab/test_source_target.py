"""The order of source and target, and the choice of a network that is refused."""

import itertools

import pytest
import torch
from mmengine.hooks import CheckpointHook
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Subset

from snr_plugins.errors import InputError
from snr_plugins.openmmlab import domain_turns
from snr_plugins.openmmlab.source_target import SourceTargetSampler, refuse_choice_by_target
from snr_plugins.segmentation import DomainIoUMetric

SOURCE, TARGET = 7, 3


class Numbers(torch.utils.data.Dataset):
    def __init__(self, first, size):
        self.first, self.size = first, size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        return self.first + index


DATASET = ConcatDataset([Numbers(0, SOURCE), Numbers(SOURCE, TARGET)])


def order(count, seed=0, dataset=DATASET):
    return list(itertools.islice(SourceTargetSampler(dataset, seed), count))


def test_by_turns_and_every_frame_once_a_round():
    frames = order(2 * SOURCE * TARGET)
    source, target = frames[::2], frames[1::2]
    assert max(source) < SOURCE <= min(target)
    for start in range(0, SOURCE * TARGET, SOURCE):
        assert sorted(source[start : start + SOURCE]) == list(range(SOURCE))
    for start in range(0, SOURCE * TARGET, TARGET):
        assert sorted(target[start : start + TARGET]) == list(range(SOURCE, SOURCE + TARGET))


def test_pairs_change():
    """Also of domains of one size, which one shuffle would pair for ever."""
    same = ConcatDataset([Numbers(0, 5), Numbers(5, 5)])
    frames = order(2 * 5 * 40, dataset=same)
    assert len(set(zip(frames[::2], frames[1::2], strict=True))) == 25


def test_the_seed_decides():
    assert order(60) == order(60)
    assert order(60) != order(60, seed=1)
    sampler = SourceTargetSampler(DATASET, 0)
    assert [next(iter(sampler)) for _ in range(3)] == order(1) * 3  # each pass from the start


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_the_order_is_the_same_for_any_number_of_workers(workers):
    sampler = SourceTargetSampler(DATASET, 0)
    loader = DataLoader(DATASET, batch_size=4, sampler=sampler, num_workers=workers)
    batches = [batch.tolist() for batch in itertools.islice(loader, 10)]
    assert list(itertools.chain(*batches)) == order(40)


def test_processes_see_together_what_one_sees(monkeypatch):
    """Batches of 4 in two processes against batches of 8 in one; as sets, step by step."""
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(domain_turns, "get_dist_info", lambda rank=rank: (rank, 2))
        shares.append(order(80))
    monkeypatch.undo()
    alone = order(160)
    for step in range(20):
        own = [share[4 * step : 4 * step + 4] for share in shares]
        for batch in own:
            assert sum(frame < SOURCE for frame in batch) == 2
        assert sorted(own[0] + own[1]) == sorted(alone[8 * step : 8 * step + 8])


def test_a_dataset_of_one_part_is_refused():
    with pytest.raises(InputError, match="is a Numbers of 1: set its type to SourceTargetDataset"):
        SourceTargetSampler(Numbers(0, 4), 0)


class Pair:
    source = Numbers(0, 1)
    target = Numbers(1, 1)


Pair.source.domain, Pair.target.domain = "day", "dusk"


@pytest.mark.parametrize(
    "metric",
    ["dusk/mIoU", "mIoU", "auto", "twilight/mIoU", "evening/mIoU", ["day/mIoU", "dusk/mAcc"]],
)
def test_no_choice_by_the_targets_labels(metric):
    """Nor by a domain of another name, such as a folder's, nor by a name that a metric gives."""
    hook = CheckpointHook(save_best=metric, rule=None if metric == "auto" else "greater")
    metrics = [DomainIoUMetric("day"), DomainIoUMetric("dusk", prefix="evening")]
    with pytest.raises(
        InputError, match=r"save_best=.* is no score on the source, 'day', and would"
    ):
        refuse_choice_by_target([hook], Pair(), metrics)
    refuse_choice_by_target([hook], Numbers(0, 4))  # no adaptation


@pytest.mark.parametrize("metric", [None, "day/mIoU", "sun/mIoU"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_choice_by_the_source_is_allowed(metric, wrapped):
    rule = {"rule": "greater"} if metric else {}
    pair = Pair()
    if wrapped:
        pair.source = Subset(Pair.source, [0])
    hook = CheckpointHook(save_best=metric, **rule)
    refuse_choice_by_target([hook], pair, [DomainIoUMetric("day", prefix="sun")])


def test_batches_of_a_batch_sampler_hold_both_in_equal_numbers():
    for batch in itertools.islice(BatchSampler(SourceTargetSampler(DATASET, 3), 6, False), 20):
        assert sum(frame < SOURCE for frame in batch) == 3
