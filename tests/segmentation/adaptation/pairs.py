"""Every dataset of the adaptation configs as a tiny tree, and options that fit a config to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.config import Config

from snr_plugins.data.layouts import CROSS_CITY_CITIES
from tests.segmentation.streets import CONFIGS, write_two_colour_streets
from tests.segmentation.trees import write_cross_city, write_gta5, write_synthia
from tests.trees import PAINTED, write_cityscapes_tree

ADAPTATION = CONFIGS / "adaptation"
METHODS = ("maxsquare", "mcd", "mean_teacher")
PAIRS = (
    *("gta5_to_cityscapes", "synthia_to_cityscapes"),
    *(f"cityscapes_to_{city.lower()}" for city in CROSS_CITY_CITIES),
    *("synthetic_city_to_foggy", "synthetic_city_to_night", "camvid_to_dusk"),
)
DEFINED = {stem: [box for box in boxes if box[0] != 200] for stem, boxes in PAINTED.items()}


def config_of(pair: str, method: str, form: str = "") -> Path:
    """The one config of a pair, a method and a form, ``""`` or ``"_snr"``."""
    (path,) = ADAPTATION.glob(f"*_{pair}_{method}{form}.py")
    return path


def write_all_datasets(data: Path) -> None:
    """The folders below ``data`` that the configs name."""
    road = np.zeros((64, 96), np.uint8)
    write_gta5(data / "gta5", road + 7)
    write_synthia(data / "synthia", road + 3)
    for city in CROSS_CITY_CITIES:
        write_cross_city(data / "cross_city", city, road + 7)
    for split in ("train", "val"):
        write_cityscapes_tree(data / "cityscapes", split, ("clear",), DEFINED)
        conditions = ("clear", "foggy_beta_0.01", "foggy_beta_0.02", "night", "rain")
        write_cityscapes_tree(data / "synthetic_city", split, conditions, DEFINED)
    write_two_colour_streets(data / "camvid")


def two_small_iterations(config: Path) -> list[str]:
    """``--cfg-options`` for two iterations of a few channels, in this process."""
    cfg = Config.fromfile(config)
    loaders = [name for name in ("train", "val", "test") if cfg[f"{name}_dataloader"]]
    options = [
        "load_from=None",
        "train_cfg.max_iters=2",
        "train_cfg.val_interval=2",
        "default_hooks.checkpoint.interval=2",
        "default_hooks.logger.interval=1",
        *(f"{name}_dataloader.num_workers=0" for name in loaders),
        "train_dataloader.persistent_workers=False",
        "model.pretrained=None",
        "model.backbone.init_cfg=None",
    ]
    if "DRN" in cfg.model.backbone.type:
        options += ["model.backbone.depth=22", "model.backbone.base_channels=4"]
        options.append("model.decode_head.channels=128")
    else:
        options += [
            "model.backbone.depth=18",
            "model.backbone.base_channels=16",
            "model.backbone.stem_channels=16",
            "model.auxiliary_head.in_channels=64",
        ]
    options += ["model.decode_head.in_channels=128", "model.data_preprocessor.size=(64,96)"]
    for domain in ("source", "target"):
        where = f"train_dataloader.dataset.{domain}"
        options += smaller(where, cfg.train_dataloader.dataset[domain])
    for name in {*loaders} - {"train"}:
        options += smaller(f"{name}_dataloader.dataset", cfg[f"{name}_dataloader"].dataset)
    if "c1_in_channels" in cfg.model.decode_head:
        options.append("model.decode_head.c1_in_channels=16")
    return options


def smaller(where: str, dataset: dict | str) -> list[str]:
    """Options for images of 96x64 in a dataset's pipeline."""
    if isinstance(dataset, str):  # a folder of pictures
        return []
    sizes = {"scale": "(96,64)", "crop_size": "(64,96)"}
    return [
        f"{where}.pipeline.{index}.{key}={sizes[key]}"
        for index, step in enumerate(dataset.get("pipeline", ()))
        for key in sizes.keys() & step.keys()
    ]
