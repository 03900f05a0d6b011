"""Domains of datasets that are not ours, beside ours, in MMEngine's own loops."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image

import snr_plugins.segmentation  # noqa: F401  registers
from snr_plugins.errors import InputError
from tests.segmentation.streets import CONFIGS, camvid_config, write_two_colour_streets
from tests.segmentation.trees import write_grey, write_gta5

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "PackSegInputs"},
]
# labels and predictions by hand: 0: 2 of 3, 13: 2 of 3; two of six pixels are void
BDD = ([[0, 0, 255], [13, 13, 255]], [[0, 0, 0], [13, 13, 0]])
GTA5 = ([[7, 7, 0], [26, 26, 0]], [[0, 13, 0], [13, 13, 0]])
PREFIX = {"img_path": "images/10k/val", "seg_map_path": "labels/sem_seg/masks/val"}


class GreyIsClass(BaseModel):
    """Says that the red value of a pixel is its class."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs, data_samples=None, mode="tensor"):
        if mode == "loss":
            return {"loss": self.weight.sum()}
        for image, data_sample in zip(inputs, data_samples, strict=True):
            data_sample.pred_sem_seg = PixelData(data=image[:1].long())
        return data_samples


def grey(path: Path, classes: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(classes, np.uint8)).convert("RGB").save(path, quality=100)


def bdd100k(root: Path, suffix: str = ".png", **options) -> dict:
    """MMSegmentation's own dataset, whose masks hold train ids."""
    grey(root / PREFIX["img_path"] / f"1{suffix}", BDD[1])
    write_grey(root / PREFIX["seg_map_path"] / "1.png", np.array(BDD[0], np.uint8))
    dataset = {"type": "BDD100KDataset", "data_root": str(root), "data_prefix": PREFIX}
    return {**dataset, "img_suffix": suffix, "pipeline": PIPELINE, **options}


def build(**config):
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build(config)


def wrapped(dataset: dict, **options):
    return build(type="DomainDataset", domain="bdd", dataset=dataset, **options)


METRICS = [{"type": "DomainIoUMetric", "domain": domain} for domain in ("gta5", "bdd")]


def both(tmp_path: Path, pipeline: list) -> dict:
    """A loader of a frame of GTA5 and one of BDD100K."""
    gta5 = write_gta5(tmp_path / "gta5", np.array(GTA5[0], np.uint8))
    grey(gta5 / "images" / "00001.png", GTA5[1])
    bdd = bdd100k(tmp_path / "bdd")
    del bdd["pipeline"]
    return {
        "batch_size": 2,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "dataset": {
            "type": "DomainConcatDataset",
            "pipeline": pipeline,
            "datasets": [
                {"type": "GTA5Dataset", "data_root": str(gta5)},
                {"type": "DomainDataset", "domain": "bdd", "dataset": bdd},
            ],
        },
    }


def runner(tmp_path: Path, **options) -> Runner:
    return Runner(
        model=GreyIsClass(),
        work_dir=str(tmp_path / "work"),
        default_scope="mmseg",
        experiment_name=tmp_path.name,
        log_level="WARNING",
        **options,
    )


@pytest.mark.parametrize("load", ["LoadAnnotations", "LoadLabelIds"])
def test_theirs_is_scored_beside_ours(tmp_path, load):
    pipeline = [PIPELINE[0], {"type": load}, PIPELINE[2]]
    loader = both(tmp_path, pipeline)
    tested = runner(tmp_path, test_dataloader=loader, test_cfg={}, test_evaluator=METRICS)
    scores = tested.test()
    assert scores["bdd/mIoU"] == scores["bdd/aAcc"] == 100  # void is not counted
    assert scores["gta5/aAcc"] == 75
    assert scores["gta5/mIoU"] == pytest.approx(100 * (1 / 2 + 2 / 3) / 2, abs=0.01)


def test_the_best_on_one_domain_is_kept(tmp_path):
    loader = both(tmp_path, PIPELINE)
    train = {**loader, "sampler": {"type": "InfiniteSampler"}}
    best = {"type": "CheckpointHook", "by_epoch": False, "interval": 1}
    trained = runner(
        tmp_path,
        train_dataloader=train,
        val_dataloader=loader,
        val_evaluator=METRICS,
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 2, "val_interval": 1},
        val_cfg={},
        default_hooks={
            "checkpoint": {**best, "save_best": "gta5/mIoU", "rule": "greater"},
            "stamp": {"type": "StampHook"},
        },
    )
    trained.train()
    work = tmp_path / "work"
    assert [path.name for path in work.glob("best*")] == ["best_gta5_mIoU_iter_1.pth"]
    stamp = json.loads(next(work.glob("*/stamp_val.json")).read_text())
    assert [dataset["name"] for dataset in stamp["datasets"]] == ["gta5", "bdd"]
    assert stamp["domains"].keys() == {"gta5", "bdd"}


def test_ids_of_a_table_give_its_classes(tmp_path):
    # A dataset of two classes of its own, whose files hold the ids of Cityscapes
    write_grey(tmp_path / "labels" / "1.png", np.array([[7, 26], [4, 24]], np.uint8))
    grey(tmp_path / "images" / "1.png", [[0, 0], [0, 0]])
    dataset = {
        "type": "BaseSegDataset",
        "data_root": str(tmp_path),
        "data_prefix": {"img_path": "images", "seg_map_path": "labels"},
        "img_suffix": ".png",
    }
    ours = wrapped(dataset, ids="cityscapes", pipeline=PIPELINE)
    assert ours.metainfo["classes"] == CityscapesDataset.METAINFO["classes"]
    assert ours.metainfo["palette"] == CityscapesDataset.METAINFO["palette"]
    sample = ours[0]["data_samples"]
    assert sample.gt_sem_seg.data[0].tolist() == [[0, 13], [255, 11]]
    assert sample.domain == "bdd"


def test_train_ids_are_no_ids_of_a_table(tmp_path):
    with pytest.raises(InputError, match=r"1\.png and others hold 0 to 18 and 255 alone, which"):
        wrapped(bdd100k(tmp_path), ids="cityscapes")


def test_classes_may_be_chosen(tmp_path):
    chosen = bdd100k(tmp_path, metainfo={"classes": ("car", "road")})
    dataset = wrapped(chosen)
    assert dataset.metainfo["classes"] == ("car", "road")
    expected = [[1, 1, 255], [0, 0, 255]]
    assert dataset[0]["data_samples"].gt_sem_seg.data[0].tolist() == expected


def test_what_cannot_be_a_domain(tmp_path):
    with pytest.raises(InputError, match="'bdd' has ids='bddd': choose from train_ids, cityscapes"):
        wrapped(bdd100k(tmp_path), ids="bddd")
    with pytest.raises(InputError, match="'cityscapes' and a dataset with reduce_zero_label=True"):
        wrapped(bdd100k(tmp_path, reduce_zero_label=True), ids="cityscapes")
    with pytest.raises(InputError, match="ids='camvid', .* remove metainfo"):
        wrapped(bdd100k(tmp_path, metainfo={"classes": ("car",)}), ids="camvid")
    empty = bdd100k(tmp_path, ".png")
    with pytest.raises(InputError, match="'bdd': its BDD100KDataset holds no image; correct"):
        wrapped({**empty, "img_suffix": ".jpeg"})
    streets = write_two_colour_streets(tmp_path / "camvid")
    (streets / "day_val" / "labels" / "0.png").unlink()
    ours = {"type": "CamVidDataset", "data_root": str(streets), "split": "day_val"}
    with pytest.raises(InputError, match="have no label image"):  # its own sentence
        wrapped(ours)


@pytest.mark.parametrize(
    "name",
    sorted(
        path.stem
        for path in (CONFIGS / "_base_" / "datasets").glob("*.py")
        if path.stem != "cityscapes_unlabelled"  # which tests on nothing
    ),
)
def test_every_base_config_has_one_pipeline_and_an_augmented_one(name):
    config = Config.fromfile(CONFIGS / "_base_" / "datasets" / f"{name}.py")
    tested = config.test_dataloader.dataset
    assert tested.pipeline == config.test_pipeline
    assert not any("pipeline" in part for part in tested.datasets)
    scales = [resize.scale for resize in config.tta_pipeline[1].transforms[0]]
    assert config.test_pipeline[1].scale in scales  # the plain view is one of them


def test_augmented_views_have_the_label_as_it_is_and_say_how_they_were_flipped(tmp_path):
    streets = write_two_colour_streets(tmp_path)
    config = Config.fromfile(camvid_config("fcn"))
    tested = config.test_dataloader.dataset
    tested.pipeline = config.tta_pipeline  # what test.py --tta does
    for part in tested.datasets:
        part.data_root = str(streets)
    frame = build(**tested)[7]  # the last of dusk
    label = np.asarray(Image.open(streets / "dusk_val" / "labels" / "3.png"))
    assert len(frame["inputs"]) == len(frame["data_samples"]) == 12
    for sample in frame["data_samples"]:
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), label)
        assert (sample.domain, sample.ori_shape) == ("dusk", (64, 96))
    pairs = zip(frame["inputs"][::2], frame["inputs"][1::2], strict=True)
    for plain, flipped in pairs:
        assert torch.equal(plain.flip(-1), flipped)
    flips = [(sample.flip, sample.flip_direction) for sample in frame["data_samples"]]
    assert flips == [(False, None), (True, "horizontal")] * 6
