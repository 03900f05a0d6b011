"""CalibrateSNRHook in MMEngine's own runner, on a folder of four random frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image

from tests.segmentation.networks import (
    HEAD,
    PREPROCESSOR,
    RESNET,
    SIZE,
    build,
    randomise_norms,
    segmentor,
)
from tests.segmentation.streets import CONFIGS
from tests.segmentation.trees import write_grey

FRAMES = 4
DATASET = CONFIGS / "_base_" / "datasets" / "camvid.py"


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    """CamVid's layout; every frame is noise in a style of its own."""
    root = tmp_path_factory.mktemp("camvid")
    rng = np.random.default_rng(0)
    (root / "day_train" / "images").mkdir(parents=True)
    for index in range(FRAMES):
        noise = rng.normal(rng.uniform(60, 200, 3), rng.uniform(10, 60), (SIZE, SIZE, 3))
        pixels = noise.clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / "day_train" / "images" / f"{index}.jpg")
        labels = rng.integers(0, 5, (SIZE, SIZE)).astype(np.uint8)
        write_grey(root / "day_train" / "labels" / f"{index}.png", labels)
    return root


class Witness(Hook):
    """Notes the state before the first step, and the frames of every step."""

    priority = "VERY_LOW"

    def __init__(self):
        self.state, self.frames = None, []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.state is None:
            self.state = {key: value.clone() for key, value in runner.model.state_dict().items()}
        self.frames.append([Path(s.img_path).stem for s in data_batch["data_samples"]])


def train(camvid, folder, num_batches=2, **changes):
    """Two iterations of two frames; the runner and its witness afterwards."""
    dataset = Config.fromfile(DATASET)
    loader = dataset.train_dataloader
    loader.update(batch_size=2, num_workers=0, persistent_workers=False)
    loader.dataset.update(data_root=str(camvid))
    loader.dataset.pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "LoadLabelIds"},
        {"type": "PackSegInputs"},
    ]
    calibration = {"type": "CalibrateSNRHook", "num_batches": num_batches}
    cfg = Config(
        {
            "default_scope": "mmseg",
            "experiment_name": folder.name,
            "work_dir": str(folder),
            "model": segmentor(),
            "train_dataloader": loader,
            "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 2},
            "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.01}},
            "default_hooks": {
                "checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 1}
            },
            "custom_hooks": [calibration] if num_batches else [],
            "randomness": {"seed": 5},
            **changes,
        }
    )
    runner, witness = Runner.from_cfg(cfg), Witness()
    runner.register_hook(witness)
    runner.train()
    return runner, witness


def style(state):
    return {key: value for key, value in state.items() if ".snr.norm." in key}


def expected_style(weights, camvid, frames):
    """Gamma and beta from a plain backbone, from the frames' files to its features by hand."""
    backbone = build(RESNET)
    backbone.load_state_dict(weights)
    backbone.eval()
    mean, std = (torch.tensor(PREPROCESSOR[key])[:, None, None] for key in ("mean", "std"))
    files = [str(camvid / "day_train" / "images" / f"{frame}.jpg") for frame in frames]
    rgb = [cv2.imread(file)[:, :, ::-1].copy() for file in files]
    images = torch.stack([(torch.tensor(x).permute(2, 0, 1) - mean) / std for x in rgb])
    with torch.no_grad():
        features = [maps.flatten(2) for maps in backbone(images)]
    expected = {}
    for stage, maps in enumerate(features[:3], 1):
        name = f"backbone.layer{stage}.snr.norm."
        expected[name + "weight"] = maps.std(2, unbiased=False).mean(0)
        expected[name + "bias"] = maps.mean(2).mean(0)
    return expected


def assert_same_style(state, expected):
    got = style(state)
    assert set(got) == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(got[key], value, atol=1e-4, rtol=1e-4)


def test_starts_at_the_average_style_of_the_loaded_network(camvid, tmp_path):
    """Two batches of two are all four frames, in whatever order the sampler takes them."""
    weights = randomise_norms(build(RESNET, seed=9)).state_dict()
    file = tmp_path / "plain.pth"
    torch.save({f"backbone.{key}": value for key, value in weights.items()}, file)
    runner, witness = train(camvid, tmp_path / "loaded", load_from=str(file))
    assert_same_style(witness.state, expected_style(weights, camvid, range(FRAMES)))
    for key, value in weights.items():  # the pass has moved no running statistic
        assert torch.equal(witness.state[f"backbone.{key}"], value), key
    for key, value in style(runner.model.state_dict()).items():  # and they learn
        assert not torch.equal(value, witness.state[key]), key
    assert runner.model.training


def test_measures_the_frames_of_the_runs_seed_and_leaves_training_its_own(camvid, tmp_path):
    _, first = train(camvid, tmp_path / "first", num_batches=1)
    _, second = train(camvid, tmp_path / "second", num_batches=1)
    _, without = train(camvid, tmp_path / "without", num_batches=0)
    assert first.frames == second.frames == without.frames
    assert len({frame for batch in first.frames for frame in batch}) == FRAMES
    for key, value in first.state.items():
        assert torch.equal(value, second.state[key]), key
    plain = {
        key.removeprefix("backbone."): value
        for key, value in without.state.items()
        if key.startswith("backbone.") and ".snr." not in key
    }
    # the same seed, so the first batch that is measured is the first that is trained on
    assert_same_style(first.state, expected_style(plain, camvid, first.frames[0]))
    for key, value in style(without.state).items():
        assert torch.equal(value, torch.full_like(value, key.endswith("weight"))), key


@pytest.mark.parametrize(("resume", "steps"), [(True, 1), (False, 2)], ids=["resumed", "tuned"])
def test_snr_from_a_checkpoint_is_not_calibrated_again(camvid, tmp_path, resume, steps):
    train(camvid, tmp_path / "run")
    file = tmp_path / "run" / "iter_1.pth"
    checkpoint = torch.load(file, weights_only=False)
    for value in style(checkpoint["state_dict"]).values():
        value.fill_(7)
    torch.save(checkpoint, file)
    runner, witness = train(camvid, tmp_path / "on", load_from=str(file), resume=resume)
    assert runner.iter == 2 and len(witness.frames) == steps
    assert all((value == 7).all() for value in style(witness.state).values())


def test_a_cascade_is_calibrated_through_backbone_and_neck(camvid, tmp_path):
    """PointRend's second head wants the first one's result; neither has an SNR."""
    point = {
        "type": "PointHead", "in_channels": [128], "in_index": [3], "channels": 16, "num_fcs": 1,
        "coarse_pred_each_layer": True, "num_classes": 5, "dropout_ratio": 0,
    }  # fmt: skip
    model = segmentor(
        type="SNRCascadeEncoderDecoder",
        num_stages=2,
        decode_head=[HEAD, point],
        train_cfg={"num_points": 16, "oversample_ratio": 3, "importance_sample_ratio": 0.75},
        test_cfg={
            "mode": "whole", "subdivision_steps": 2, "subdivision_num_points": 16, "scale_factor": 2
        },
    )  # fmt: skip
    _, witness = train(camvid, tmp_path / "cascade", model=model)
    assert all((v != key.endswith("weight")).any() for key, v in style(witness.state).items())


def test_instance_norm_alone_is_calibrated_once_too(camvid, tmp_path):
    norm = {
        "type": "SNRBackbone",
        "backbone": RESNET,
        "after": ["layer1"],
        "layer": "instance_norm",
    }
    model = segmentor(type="EncoderDecoder", backbone=norm)
    _, first = train(camvid, tmp_path / "first", model=model)
    bias = first.state["backbone.layer1.style.norm.bias"]
    assert (bias != 0).any()
    file = tmp_path / "first" / "iter_2.pth"
    learned = torch.load(file, weights_only=False)["state_dict"]["backbone.layer1.style.norm.bias"]
    _, second = train(camvid, tmp_path / "second", model=model, load_from=str(file))
    assert torch.equal(second.state["backbone.layer1.style.norm.bias"], learned)
