"""CamVid's folders with four tiny frames each, and options that fit the CamVid configs to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "segmentation"


def camvid_config(head: str) -> Path:
    return CONFIGS / f"{head}_thin_r50_camvid_snr.py"


def write_two_colour_streets(root: Path, low: int = 3) -> Path:
    """Frames of 64x96: bright above (class 0), dark below (label ``low``); dusk is dimmer."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.array([0, low], np.uint8), 32)[:, None].repeat(96, 1)
    for split, light in (("day_train", 1.0), ("day_val", 1.0), ("dusk_val", 0.3)):
        for kind in ("images", "labels"):
            (root / split / kind).mkdir(parents=True)
        for i in range(4):
            noise = rng.normal(0, 9, (64, 96, 3))
            image = (np.where(label == 0, 200, 60)[..., None] + noise).clip(0, 255) * light
            Image.fromarray(image.astype(np.uint8)).save(root / split / "images" / f"{i}.jpg")
            Image.fromarray(label).save(root / split / "labels" / f"{i}.png")
    return root


def small_network(root: Path) -> tuple[str, ...]:
    """``--cfg-options`` for two iterations of a ResNet-18 of a quarter's width on ``root``."""
    targets = [
        f"{loader}.dataset.datasets.{i}.data_root={root}"
        for loader in ("test_dataloader", "val_dataloader")
        for i in (0, 1)
    ]
    return (
        f"train_dataloader.dataset.data_root={root}",
        *targets,
        "train_dataloader.batch_size=2",
        "train_dataloader.num_workers=0",
        "train_dataloader.persistent_workers=False",
        "test_dataloader.num_workers=0",
        "val_dataloader.num_workers=0",
        "model.backbone.init_cfg=None",
        "model.backbone.depth=18",
        "model.backbone.base_channels=16",
        "model.backbone.stem_channels=16",
        "model.decode_head.in_channels=128",
        "model.auxiliary_head.in_channels=64",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "default_hooks.checkpoint.interval=2",
        "default_hooks.logger.interval=1",
        "randomness.seed=1",
    )
