"""DomainIoUMetric against confusion matrices counted by hand, in MMEngine's evaluator and loop."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("mmseg")

from mmengine.evaluator import Evaluator
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

import snr_plugins.segmentation.datasets
import snr_plugins.segmentation.transforms  # noqa: F401  all register their classes
from snr_plugins.errors import InputError
from snr_plugins.segmentation.evaluation import CountingIoUMetric
from tests.trees import HEIGHT, IMAGE_NAMES, WIDTH, write_cityscapes_tree

# domain, label, prediction; class by class: (intersection, union)
CLEAR = ("clear", [[0, 0, 1, 1], [2, 2, 255, 1]], [[0, 1, 1, 1], [2, 0, 2, 1]])
# 0: 1 of 3; 1: 3 of 4; 2: 1 of 2; right are 5 of 7 pixels
CLEAR_IOU, CLEAR_ACCURACY = (1 / 3 + 3 / 4 + 1 / 2) / 3, 5 / 7
FOG = (
    ("fog", [[0, 0, 0, 0]], [[0, 0, 0, 1]]),
    ("fog", [[1, 1, 2, 2]], [[1, 1, 1, 2]]),
)
# Areas are summed over the frames first. 0: 3 of 4; 1: 2 of 4; 2: 1 of 2; right are 6 of 8
FOG_IOU, FOG_ACCURACY = (3 / 4 + 2 / 4 + 1 / 2) / 3, 6 / 8


def sample(domain: str | None, label: list, prediction: list) -> SegDataSample:
    data_sample = SegDataSample(metainfo={"img_path": "frame.png"})
    if domain is not None:
        data_sample.set_metainfo({"domain": domain})
    data_sample.gt_sem_seg = PixelData(data=torch.tensor([label]))
    data_sample.pred_sem_seg = PixelData(data=torch.tensor([prediction]))
    return data_sample


def evaluator(*domains: str, **options) -> Evaluator:
    metrics = [{"type": "DomainIoUMetric", "domain": domain, **options} for domain in domains]
    with DefaultScope.overwrite_default_scope("mmseg"):
        made = Evaluator(metrics)
    made.dataset_meta = {"classes": ("a", "b", "c")}
    return made


def percent(fraction: float) -> float:
    return round(100 * fraction, 2)


def test_scores_of_each_domain_are_those_counted_by_hand():
    both = evaluator("clear", "fog")
    both.process([sample(*FOG[0]), sample(*CLEAR)])  # mixed within one batch
    both.process([sample(*FOG[1])])
    scores = both.evaluate(3)
    assert scores["clear/mIoU"] == pytest.approx(percent(CLEAR_IOU), abs=0.01)
    assert scores["clear/aAcc"] == pytest.approx(percent(CLEAR_ACCURACY), abs=0.01)
    assert scores["fog/mIoU"] == pytest.approx(percent(FOG_IOU), abs=0.01)
    assert scores["fog/aAcc"] == pytest.approx(percent(FOG_ACCURACY), abs=0.01)
    for index, (clear, fog) in enumerate(((1 / 3, 3 / 4), (3 / 4, 2 / 4), (1 / 2, 1 / 2))):
        name = "abc"[index]
        assert scores[f"clear/IoU-{name}"] == pytest.approx(percent(clear), abs=0.01)
        assert scores[f"fog/IoU-{name}"] == pytest.approx(percent(fog), abs=0.01)


def test_nothing_is_left_for_the_next_evaluation():
    both = evaluator("clear")
    both.process([sample("clear", [[0, 1]], [[1, 0]])])
    assert both.evaluate(1)["clear/mIoU"] == 0
    both.process([sample(*CLEAR)])
    assert both.evaluate(1)["clear/mIoU"] == pytest.approx(percent(CLEAR_IOU), abs=0.01)


def test_prefix_and_options_of_the_framework_stay():
    single = evaluator("clear", prefix="val", iou_metrics=["mDice"])
    single.process([sample(*CLEAR)])
    # twice the intersection over the sum of both areas
    dice = (2 * 1 / 4 + 2 * 3 / 7 + 2 * 1 / 3) / 3
    assert single.evaluate(1)["val/mDice"] == pytest.approx(percent(dice), abs=0.01)


@pytest.mark.fault(
    "interruption",
    "An image of which a class has more than 2 ** 24 pixels, in `DomainIoUMetric`",
    "all of them count, where MMSegmentation's own metric stands still",
)
def test_an_image_of_many_megapixels():
    """Enough of them for two of torch's threads, each of which counts a part."""
    label = torch.zeros(1, 6000, 6000, dtype=torch.uint8)
    prediction = torch.zeros(1, 6000, 6000, dtype=torch.int64)
    prediction[0, 0, :100] = 1
    label[0, 1, :50] = 255  # to ignore
    label[0, 2, :10] = 7  # of no class, and taken for the first
    both, either, predicted, true = CountingIoUMetric.intersect_and_union(
        prediction[0], label[0], 3, 255
    )
    counted = 6000 * 6000 - 50
    assert both.tolist() == [counted - 110, 0, 0]
    assert predicted.tolist() == [counted - 100, 100, 0]
    assert true.tolist() == [counted - 10, 0, 0]
    assert either.tolist() == [counted, 100, 0]


@pytest.mark.parametrize("seed", range(3))
def test_counts_are_the_frameworks(seed):
    draw = torch.Generator().manual_seed(seed)
    label, prediction = torch.randint(0, 6, (2, 40, 50), generator=draw)
    label[:3] = 255
    for ours, theirs in zip(
        CountingIoUMetric.intersect_and_union(prediction, label, 5, 255),
        IoUMetric.intersect_and_union(prediction, label, 5, 255),
        strict=True,
    ):
        assert ours.tolist() == theirs.tolist()


def test_average_over_some_of_the_classes():
    some = evaluator("clear", classes=("c", "a"))
    for _ in range(2):  # the second evaluation has all classes to choose from again
        some.process([sample(*CLEAR)])
        scores = some.evaluate(1)
        # The third class was taken for the first once: still an error of both.
        assert scores["clear/mIoU"] == pytest.approx(percent((1 / 2 + 1 / 3) / 2), abs=0.01)
    other = evaluator("clear", classes=("a", "sky"))
    other.process([sample(*CLEAR)])
    with pytest.raises(InputError, match="over sky, which .* choose classes from a, b, c"):
        other.evaluate(1)


def test_domain_without_frames():
    both = evaluator("clear", "night")
    both.process([sample(*CLEAR), sample(*FOG[0])])
    with pytest.raises(InputError, match="No frame of the domain 'night' .* only of clear, fog: "):
        both.evaluate(2)


def test_frame_without_domain():
    with pytest.raises(InputError, match=r"frame\.png names no domain: add 'domain' to meta_keys"):
        evaluator("clear").process([sample(None, *CLEAR[1:])])


FRAMES = (CLEAR, FOG[0], ("clear", *FOG[1][1:]))


def evaluate_in_two_processes(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.chdir(folder)  # MMEngine passes the results on through files in the current folder
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    both = evaluator("clear", "fog")
    # As MMEngine's sampler deals them out: frame 0 comes again at the end to even out the shares.
    for index in ((0, 2), (1, 0))[rank]:
        both.process([sample(*FRAMES[index])])
    torch.save(both.evaluate(len(FRAMES)), Path(folder) / f"scores_{rank}.pth")
    # No destroy_process_group: gloo sometimes hangs in it, and the process ends here anyway.


@pytest.mark.fault(
    "processes",
    "Evaluation by two processes, in each framework",
    "each image counts once, and the scores are those of one process",
)
def test_two_processes_count_each_frame_once(tmp_path):
    torch.multiprocessing.spawn(evaluate_in_two_processes, (str(tmp_path),), nprocs=2)
    alone = evaluator("clear", "fog")
    alone.process([sample(*frame) for frame in FRAMES])
    expected = alone.evaluate(len(FRAMES))
    for rank in (0, 1):
        found = torch.load(tmp_path / f"scores_{rank}.pth", weights_only=False)
        assert found == pytest.approx(expected, nan_ok=True)  # class c is nowhere in fog


class GreyIsClass(BaseModel):
    """Says that the red value of a pixel is its class."""

    def forward(self, inputs, data_samples=None, mode="tensor"):
        for image, data_sample in zip(inputs, data_samples, strict=True):
            data_sample.pred_sem_seg = PixelData(data=image[:1].long())
        return data_samples


def test_one_test_loop_scores_all_domains(tmp_path):
    car = [(26001, 0, 0, WIDTH // 4 - 1, HEIGHT - 1)]  # a quarter of the frame; the rest is road
    root = write_cityscapes_tree(
        tmp_path / "city", "val", ("clear", "rain"), {"ulm_1": car, "ulm_2": car}
    )
    for stem in ("ulm_1", "ulm_2"):  # seen rightly in clear weather; nothing but road in rain
        classes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        for condition, car_class in (("clear", 13), ("rain", 0)):
            classes[:, : WIDTH // 4] = car_class
            folder, suffix = IMAGE_NAMES[condition]
            Image.fromarray(classes).save(root / folder / "val" / "ulm" / f"{stem}{suffix}")
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadLabelIds"},
        {"type": "PackSegInputs", "meta_keys": ("img_path", "domain")},
    ]
    datasets = [
        {
            "type": "CityscapesLayoutDataset",
            "data_root": str(root),
            "condition": condition,
            "pipeline": pipeline,
        }
        for condition in ("clear", "rain")
    ]
    runner = Runner(
        model=GreyIsClass(),
        work_dir=str(tmp_path / "work"),
        test_dataloader={
            "batch_size": 3,
            "dataset": {"type": "ConcatDataset", "datasets": datasets},
            "sampler": {"type": "DefaultSampler", "shuffle": False},
        },
        test_cfg={"type": "TestLoop"},
        test_evaluator=[
            {"type": "DomainIoUMetric", "domain": "clear"},
            {"type": "DomainIoUMetric", "domain": "rain"},
        ],
        default_scope="mmseg",
        experiment_name="domains",
        log_level="WARNING",
    )
    scores = runner.test()
    assert scores["clear/mIoU"] == 100
    assert scores["rain/aAcc"] == 75
    assert scores["rain/mIoU"] == 37.5  # road 3/4, car 0; classes that occur nowhere do not count
