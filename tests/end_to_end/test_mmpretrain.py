"""The train tool on a tiny folder of domains: trains, holds one out, scores each, stamps."""

import json

import pytest
import torch

pytest.importorskip("mmpretrain")

from snr_plugins.results import read_stamps
from tests.domain_trees import write_domain_tree
from tests.end_to_end.conftest import ROOT

TRAIN = ROOT / "tools" / "train.py"
CONFIG = ROOT / "configs" / "classification" / "resnet18_digits_snr.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_domain_tree(tmp_path_factory.mktemp("domains"))


def options(tree, held_out):
    loaders = ("train_dataloader", "val_dataloader", "test_dataloader")
    return [
        *(f"{loader}.dataset.data_root={tree}" for loader in loaders),
        *(f"{loader}.num_workers=0" for loader in loaders),
        "train_dataloader.persistent_workers=False",
        "train_dataloader.batch_size=8",
        "model.backbone.backbone.base_channels=8",
        "model.backbone.backbone.stem_channels=8",
        "model.head.in_channels=64",
        "model.head.num_classes=2",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "default_hooks.checkpoint.interval=2",
        "default_hooks.logger.interval=1",
        "randomness.seed=1",
        f"held_out={held_out}",
    ]


def test_train_tool_trains_on_all_domains_but_one(command, tree, tmp_path):
    arguments = ("--work-dir", tmp_path, "--cfg-options", *options(tree, "dim"))
    done = command(TRAIN, CONFIG, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    values = {}
    for line in next(tmp_path.glob("*/vis_data/scalars.json")).read_text().splitlines():
        values.update(json.loads(line))
    assert values["loss_snr_restitution"] > 0
    assert values["loss_snr_probe"] > 0
    assert "snr/backbone_layer1/entropy_enhanced" in values

    stamp = json.loads(next(tmp_path.glob("*/stamp_val.json")).read_text())
    assert [(d["name"], d["images"]) for d in stamp["datasets"]] == [("dim", 40), ("sources", 8)]
    assert stamp["checkpoint"]["file"] == str(tmp_path / "iter_2.pth")
    assert "mmpretrain" in stamp["versions"]
    assert stamp["style_distance"].keys() == {"dim", "sources"}
    scores = {name: values[f"{name}/accuracy"] for name in ("dim", "sources")}
    assert read_stamps(tmp_path) == ("accuracy", scores)
    saved = torch.load(tmp_path / "iter_2.pth", weights_only=False)["state_dict"]
    assert "backbone.layer1.snr.norm.weight" in saved

    done = command(TRAIN, CONFIG, "--eval-only", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_stamps(tmp_path) == ("accuracy", scores)


def test_another_number_of_classes_is_said_before_training(command, tree, tmp_path):
    wrong = [*options(tree, "dark"), "model.head.num_classes=5"]
    done = command(TRAIN, CONFIG, "--work-dir", tmp_path, "--cfg-options", *wrong)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: model.head.num_classes is 5 but train_dataloader's dataset has 2 classes; set it "
        "to 2"
    )
