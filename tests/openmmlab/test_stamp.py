"""The stamp hook in a runner of MMEngine's own, on datasets of anybody's making."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("mmseg")

from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from mmseg.registry import DATASETS, METRICS, MODELS

import snr_plugins.segmentation  # noqa: F401  registers
from snr_plugins.results import describe_checkpoint, read_stamps, summary
from tests.trees import PAINTED, write_cityscapes_tree

DEFINED = {stem: [box for box in boxes if box[0] != 200] for stem, boxes in PAINTED.items()}


class Nothing(BaseModel):
    """A model with one weight that answers nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs=None, data_samples=None, mode="tensor"):
        return {"loss": self.weight.sum()} if mode == "loss" else [BaseDataElement()]


class Distant(Nothing):
    """Each image lies farther from the source than the one before; domains take turns."""

    count = 0

    def forward(self, inputs=None, data_samples=None, mode="tensor"):
        self.count += 1
        domain = ("day", "dusk")[self.count % 2]
        meta = {"domain": domain, "style_distance": {"layer1.snr": float(self.count)}}
        return [BaseDataElement(metainfo=meta)]


class TwiceNothing(BaseTTAModel):
    def merge_preds(self, data_samples_list):
        return data_samples_list

    def test_step(self, data):
        return [BaseDataElement()]


class Half(BaseMetric):
    """0.5, under the name that it is given."""

    def __init__(self, name="half", **options):
        super().__init__(**options)
        self.name = name

    def process(self, data_batch, data_samples):
        self.results.append(0.5)

    def compute_metrics(self, results):
        return {self.name: np.float32(np.mean(results))}


class Bare(torch.utils.data.Dataset):
    """As little as a dataset can be."""

    def __init__(self, length=2):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return {"inputs": torch.zeros(3, 4, 4)}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for registry, classes in (
        (MODELS, (Nothing, Distant, TwiceNothing)),
        (METRICS, (Half,)),
        (DATASETS, (Bare,)),
    ):
        names = {**registry.module_dict, **{kind.__name__: kind for kind in classes}}
        monkeypatch.setattr(registry, "_module_dict", names)


HALF = {"type": "Half"}


def run(tmp_path: Path, dataset: dict, model: dict | None = None, **options) -> dict:
    """Test once; the stamp."""
    loader = {
        "batch_size": 1,
        "num_workers": 0,
        "dataset": dataset,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    with DefaultScope.overwrite_default_scope("mmseg"):
        cfg = dict(
            model=model or {"type": "Nothing"},
            work_dir=str(tmp_path / "work"),
            test_dataloader=loader,
            test_evaluator=options.pop("test_evaluator", HALF),
            test_cfg={"type": "TestLoop"},
            default_hooks={"stamp": {"type": "StampHook"}},
            default_scope="mmseg",
            experiment_name=tmp_path.name,
            **options,
        )
        Runner.from_cfg(Config(cfg)).test()
    (path,) = (tmp_path / "work").glob("*/stamp_test.json")
    return json.loads(path.read_text())


def city(root: Path, condition: str, **resize) -> dict:
    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "Resize", **resize},
        {"type": "PackSegInputs"},
    ]
    return {
        "type": "CityscapesLayoutDataset",
        "data_root": str(root),
        "condition": condition,
        "pipeline": pipeline,
    }


def test_fog_size_and_counts_of_each_part(tmp_path):
    root = write_cityscapes_tree(tmp_path / "city", "val", ("clear", "foggy_beta_0.02"), DEFINED)
    parts = [
        city(root, "clear", scale=(64, 32)),
        city(root, "foggy_beta_0.02", scale_factor=0.5, keep_ratio=True),
    ]
    stamp = run(tmp_path, {"type": "ConcatDataset", "datasets": parts}, randomness={"seed": 7})
    clear, foggy = stamp["datasets"]
    assert (clear["name"], clear["betas"], clear["images"]) == ("clear", [], 3)
    assert (foggy["name"], foggy["betas"], foggy["images"]) == ("foggy_beta_0.02", [0.02], 3)
    assert foggy["folder"] == str(root / "leftImg8bit_foggy/val")
    assert len(clear["classes"]) == 19 and clear["classes"][13] == "car"
    assert stamp["image_size"] == "0.5 x 0.5 times the image, 64x32"
    assert stamp["seed"] == 7
    assert stamp["network"] == {}  # without a layer of this package
    assert stamp["scores"] == {"half": 0.5}
    assert stamp["domains"] == {}
    assert stamp["test_time_augmentation"] == "none"
    assert stamp["checkpoint"]["file"] is None


def test_somebody_elses_dataset_with_augmentation_and_a_checkpoint(tmp_path):
    weights = tmp_path / "weights.pth"
    torch.save({"state_dict": {"weight": torch.ones(1)}, "meta": {}}, weights)
    augmented = {"type": "TwiceNothing", "module": {"type": "Nothing"}}
    stamp = run(tmp_path, {"type": "Bare"}, augmented, load_from=str(weights))
    (dataset,) = stamp["datasets"]
    assert (dataset["name"], dataset["images"], dataset["classes"]) == ("Bare", 2, [])
    assert stamp["image_size"] == "as on disk"
    assert stamp["test_time_augmentation"] == "TwiceNothing"
    assert stamp["checkpoint"]["file"] == str(weights)
    assert stamp["checkpoint"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_median_style_distance_of_each_domain(tmp_path):
    stamp = run(tmp_path, {"type": "Bare", "length": 6}, {"type": "Distant"})
    expected = {"dusk": {"layer1.snr": 3.0}, "day": {"layer1.snr": 4.0}}  # of 1 3 5 and 2 4 6
    assert stamp["style_distance"] == expected


def adapted(tmp_path: Path, files: list | None) -> str:
    """A checkpoint of a network that was adapted to images of the target."""
    adaptation = {"source": "day", "target": "fog", "files": files}
    path = tmp_path / "adapted.pth"
    state = {"weight": torch.ones(1)}
    torch.save({"state_dict": state, "meta": {"adaptation": adaptation}}, path)
    return str(path)


def test_of_an_adapted_checkpoint_whether_its_target_is_tested(tmp_path):
    """Two of six tested images, by another path; one more image that is not tested."""
    root = write_cityscapes_tree(tmp_path / "city", "val", ("clear", "foggy_beta_0.02"), DEFINED)
    (tmp_path / "link").symlink_to(root)
    parts = [city(tmp_path / "link", c, scale=(64, 32)) for c in ("clear", "foggy_beta_0.02")]
    seen = [str(path) for path in sorted(root.glob("leftImg8bit_foggy/val/*/*.png"))[:2]]
    weights = adapted(tmp_path, [*seen, str(root / "another.png")])
    stamp = run(tmp_path, {"type": "ConcatDataset", "datasets": parts}, load_from=weights)
    assert stamp["adaptation"] == {
        "source": "day",
        "target": "fog",
        "target_images": 3,
        "test_images_among_them": 2,
    }
    assert "unlabelled 3 images of fog, 2 of the test images among them" in summary(stamp)


@pytest.mark.parametrize("files", [None, ["a.png"]])
def test_where_the_images_have_no_names_it_is_unknown(tmp_path, files):
    stamp = run(tmp_path, {"type": "Bare"}, load_from=adapted(tmp_path, files))
    assert stamp["adaptation"]["target_images"] == (files and 1)
    assert stamp["adaptation"]["test_images_among_them"] is None


def test_without_adaptation_nothing_is_said_of_it(tmp_path):
    assert "adaptation" not in run(tmp_path, {"type": "Bare"})


def sizes(tmp_path: Path, *transforms: dict) -> str:
    """What the stamp says of a pipeline with these between loading and packing."""
    root = tmp_path / "city"
    if not root.exists():
        write_cityscapes_tree(root, "val", ("clear",), DEFINED)
    pipeline = [{"type": "LoadImageFromFile"}, *transforms]
    if transforms[-1]["type"] != "TestTimeAug":
        pipeline.append({"type": "PackSegInputs"})
    wrapped = {
        "type": "DomainDataset",
        "domain": "ours",
        "ids": "cityscapes",
        "dataset": {**city(root, "clear", scale=(1, 1)), "pipeline": pipeline},
    }
    stamp = run(tmp_path, wrapped)
    (dataset,) = stamp["datasets"]
    assert (dataset["name"], dataset["folder"]) == ("ours", str(root / "leftImg8bit/val"))
    return stamp["image_size"]


@pytest.mark.parametrize(
    ("transforms", "size"),
    [
        ([{"type": "Resize", "scale": (64, 48), "keep_ratio": True}], "within 64x48"),
        (
            [{"type": "ResizeShortestEdge", "scale": 24, "max_size": 40}],
            "shortest edge 24, at most 40",
        ),
        (
            [
                {"type": "Resize", "scale": (64, 33)},
                {"type": "ResizeToMultiple", "size_divisor": 16},
            ],
            "64x33, then multiples of 16",
        ),
        (
            [{"type": "RandomResize", "scale": (64, 32), "ratio_range": (0.5, 2.0)}],
            "0.5 to 2.0 times 64x32",
        ),
        (
            [{"type": "RandomResize", "scale": [(32, 16), (64, 32)], "keep_ratio": True}],
            "within 32x16 to within 64x32",
        ),
        ([{"type": "RandomChoiceResize", "scales": [(8, 4), (64, 32)]}], "one of 8x4 or 64x32"),
        ([{"type": "CenterCrop", "crop_size": (16, 32)}], "CenterCrop"),
        ([{"type": "RandomFlip", "prob": 0.5}], "as on disk"),
        (
            [
                {
                    "type": "TestTimeAug",
                    "transforms": [
                        [{"type": "Resize", "scale": (s, s)} for s in (8, 16)],
                        [{"type": "RandomFlip", "prob": p} for p in (0.0, 1.0)],
                        [{"type": "PackSegInputs"}],
                    ],
                }
            ],
            "16x16, 8x8",
        ),
    ],
)
def test_size_is_what_the_pipeline_makes_of_the_image(tmp_path, transforms, size):
    assert sizes(tmp_path, *transforms) == size


@pytest.mark.parametrize("out_dir", [None, "elsewhere"])
def test_weights_scored_in_training_are_those_written_by_it(tmp_path, out_dir):
    work = tmp_path / "work"
    work.mkdir()
    torch.save({}, work / "iter_3.pth")  # of an earlier run
    loader = {"num_workers": 0, "dataset": {"type": "Bare"}}
    hook = {"type": "CheckpointHook", "by_epoch": False, "interval": 2, "save_last": False}
    if out_dir:
        hook["out_dir"] = str(tmp_path / out_dir)
    cfg = dict(
        model={"type": "Nothing"},
        work_dir=str(work),
        train_dataloader={**loader, "sampler": {"type": "InfiniteSampler"}},
        val_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        test_dataloader={**loader, "sampler": {"type": "DefaultSampler", "shuffle": False}},
        val_evaluator=HALF,
        test_evaluator=HALF,
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.1}},
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": 2, "val_interval": 2},
        val_cfg={},
        test_cfg={},
        default_hooks={"checkpoint": hook, "stamp": {"type": "StampHook"}},
        default_scope="mmseg",
        experiment_name=f"{tmp_path.name}{out_dir}",
    )
    runner = Runner.from_cfg(Config(cfg))
    runner.train()
    runner.test()  # the trained weights, in the same process
    written = (tmp_path / out_dir / "work" if out_dir else work) / "iter_2.pth"
    for phase in ("val", "test"):
        (path,) = work.glob(f"*/stamp_{phase}.json")
        checkpoint = json.loads(path.read_text())["checkpoint"]
        assert checkpoint["file"] == str(written)
        assert checkpoint["sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
        assert checkpoint["iteration"] == 2


@pytest.mark.parametrize(
    ("prefixes", "domains"),
    [
        ([None], {"clear, foggy_beta_0.02": 0.5}),  # of all parts together
        (["clear", "foggy/dense"], {"clear": 0.5, "foggy/dense": 0.5}),
    ],
)
def test_miou_is_the_score_of_each_domain(tmp_path, prefixes, domains):
    conditions = ("clear", "foggy_beta_0.02")
    root = write_cityscapes_tree(tmp_path / "city", "val", conditions, DEFINED)
    parts = [city(root, condition, scale=(64, 32)) for condition in conditions]
    metrics = [{**HALF, "name": "mIoU", "prefix": prefix} for prefix in prefixes]
    metrics.append({**HALF, "name": "mAcc", "prefix": "clear"})
    run(tmp_path, {"type": "ConcatDataset", "datasets": parts}, test_evaluator=metrics)
    assert read_stamps(tmp_path / "work") == ("mIoU", domains)


def test_weights_without_a_file_are_said_to_be():
    stamp = {
        "datasets": [],
        "image_size": None,
        "test_time_augmentation": None,
        "seed": None,
        "versions": {},
    }
    said = {
        "weights of no known file": describe_checkpoint(None),
        "weights of iteration 9, in no file": describe_checkpoint(None, 9),
        "model://r50 (not a file here: no hash)": describe_checkpoint("model://r50"),
    }
    for sentence, checkpoint in said.items():
        assert sentence in summary({**stamp, "checkpoint": checkpoint})
