"""The CamVid config in MMEngine's runner: an interrupted run, and the calibrated start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from snr_plugins.errors import InputError
from tests.segmentation.adaptation.batches import adapting
from tests.segmentation.adaptation.pairs import config_of
from tests.segmentation.streets import write_two_colour_streets
from tests.segmentation.trees import write_image


class Witness(Hook):
    """Notes the sum of each image of each batch: other frames or other crops have others."""

    priority = "VERY_LOW"

    def __init__(self):
        self.batches = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.batches.append([int(image.long().sum()) for image in data_batch["inputs"]])


def train(root, folder, iterations, workers, resume=False, snr=False, load_from=None):
    """The batches of a run with a network of a few channels, and its model."""
    cfg = Config.fromfile(config_of("camvid_to_dusk", "maxsquare", "_snr" if snr else ""))
    cfg.model = adapting("MaxSquare", snr)
    cfg.optim_wrapper.optimizer.lr = 0.0 if snr else 0.01
    for domain in ("source", "target"):
        cfg.train_dataloader.dataset[domain].data_root = str(root)
    source = cfg.train_dataloader.dataset.source
    source.metainfo = {"classes": ("sky", "building", "pole", "road", "pavement")}
    source.pipeline[2].scale, source.pipeline[3].crop_size = (96, 64), (64, 64)
    cfg.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0, batch_size=4)
    cfg.update(val_cfg=None, val_dataloader=None, val_evaluator=None)
    cfg.update(test_cfg=None, test_dataloader=None, test_evaluator=None)
    cfg.train_cfg.max_iters = iterations
    cfg.default_hooks.checkpoint.interval = 2
    cfg.update(load_from=load_from, resume=resume, work_dir=str(folder))
    cfg.experiment_name = f"{root.parent.name}_{iterations}_{workers}_{resume}_{folder.name}"
    runner = Runner.from_cfg(cfg)
    witness = Witness()
    runner.register_hook(witness)
    runner.train()
    return witness.batches, runner.model


@pytest.mark.parametrize("workers", [0, 1])
def test_the_same_batches(tmp_path, workers):
    torch.set_num_threads(1)
    np.random.seed(1)
    root = write_two_colour_streets(tmp_path / "camvid")
    whole, _ = train(root, tmp_path / "whole", 4, workers)
    assert train(root, tmp_path / "parts", 2, workers)[0] == whole[:2]
    assert train(root, tmp_path / "parts", 4, workers, resume=True)[0] == whole[2:]
    assert len({image for batch in whole for image in batch}) > 8  # of 4 + 4 frames: crops differ


def test_another_training_is_not_resumed(tmp_path):
    """MMEngine's launcher with --resume would take load_from, and no iteration would be left."""
    root = write_two_colour_streets(tmp_path / "camvid")
    train(root, tmp_path / "first", 2, 0)
    adapted, start = (str(tmp_path / "first" / name) for name in ("iter_2.pth", "source.pth"))
    checkpoint = torch.load(adapted, weights_only=False)
    del checkpoint["meta"]["adaptation"]
    torch.save(checkpoint, start)
    with pytest.raises(InputError, match=r"went on from load_from, .*source.pth, a training witho"):
        train(root, tmp_path / "on", 2, 0, resume=True, load_from=start)
    # its own run, in another folder
    assert len(train(root, tmp_path / "moved", 4, 0, resume=True, load_from=adapted)[0]) == 2
    assert len(train(root, tmp_path / "on", 2, 0, load_from=start)[0]) == 2
    own = str(tmp_path / "on" / "iter_2.pth")
    assert len(train(root, tmp_path / "on", 4, 0, resume=True, load_from=own)[0]) == 2


def test_gamma_and_beta_start_at_the_sources_style(tmp_path):
    """Whatever the target looks like; at a rate of 0 they stay there."""
    torch.set_num_threads(1)
    root = write_two_colour_streets(tmp_path / "camvid")
    norms = []
    for look in ("dusk", "white"):
        if look == "white":
            for path in (root / "dusk_val" / "images").iterdir():
                write_image(path, (64, 96), 255)
        _, model = train(root, tmp_path / look, 1, 0, snr=True)
        norms.append(model.backbone.layer1.snr.norm)
    assert (norms[0].weight - 1).abs().mean() > 0.1
    torch.testing.assert_close(norms[0].weight, norms[1].weight)
    torch.testing.assert_close(norms[0].bias, norms[1].bias)
