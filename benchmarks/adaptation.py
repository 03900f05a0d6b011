"""A training step of each method that adapts, with SNR over without, for ``benchmarks/speed.py``.

Both forms have the same random weights and the SNRs' gates are open, as in benchmarks/models.py.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from benchmarks.models import (
    CONFIGS,
    build_segmentor,
    costs,
    detection_batch,
    detector,
    see_the_same,
    training,
)

DETECTORS = {
    "adversarial, R50-C4": ("R_50_C4", "_da"),
    "adversarial, R50-FPN": ("R_50_FPN", "_da"),
    "mean teacher, R50-FPN": ("R_50_FPN", "_mean_teacher"),
}
SEGMENTORS = {
    "MaxSquare, thin DeepLabV3+": "maxsquare",
    "MCD, thin DeepLabV3+": "mcd",
    "mean teacher, thin DeepLabV3+": "mean_teacher",
}
SEGMENTATION = "segmentation/adaptation/deeplabv3plus_thin_r50_camvid_to_dusk_{}{}.py"
PAIRS = 2  # of source and target images, for a segmentor
FORMS = {"plain": "", "snr": "_snr"}  # ends of a config's name


def compare_adaptation(device: str, rounds: int, shrink: int) -> list[dict]:
    """Rows of ratios: detectors on a pair of 600x1200, segmentors on two of 240x320."""
    print("\nadaptation: with SNR over without")
    rows = []
    for name, (body, method) in DETECTORS.items():
        batch = two_domains(600 // shrink, 1200 // shrink, device)
        networks = {form: detector(body, method + end, device) for form, end in FORMS.items()}
        steps = {form: training(network, batch) for form, network in networks.items()}
        rows.append(_row(name, networks, steps, device, rounds))
    for name, method in SEGMENTORS.items():
        networks, steps = {}, {}
        for form, end in FORMS.items():
            networks[form], steps[form] = segmentor_step(SEGMENTATION.format(method, end), device)
        rows.append(_row(name, networks, steps, device, rounds))
    return rows


def _row(
    name: str,
    networks: dict[str, nn.Module],
    steps: dict[str, Callable[[], object]],
    device: str,
    rounds: int,
) -> dict:
    see_the_same(networks["snr"], networks["plain"])
    row = {"method": name, **costs("training step", networks, steps, device, rounds)}
    for key, value in row.items():
        print(f"  {key}: {value}", flush=True)
    return row


def two_domains(height: int, width: int, device: str) -> list[dict]:
    (source,) = detection_batch(height, width, device)
    target = {"image": source["image"] // 2, "domain": "target"}
    return [{**source, "domain": "source"}, target]


def segmentor_step(config: str, device: str) -> tuple[nn.Module, Callable[[], object]]:
    """A segmentor and its own ``train_step``, which MCD has three updates in, at a rate of 0."""
    from mmengine.config import Config
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import DefaultScope

    cfg = Config.fromfile(CONFIGS / config)
    network = build_segmentor(cfg.model, device).train()
    with DefaultScope.overwrite_default_scope("mmseg"):
        optimizer = build_optim_wrapper(network, cfg.optim_wrapper)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    batch = segmentation_pairs(*cfg.model.data_preprocessor.size, device)
    return network, lambda: network.train_step(batch, optimizer)


def segmentation_pairs(height: int, width: int, device: str) -> dict:
    """As the loader gives it: source, target, source, target."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    images, samples = [], []
    for index in range(2 * PAIRS):
        image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        shape = {"img_shape": (height, width), "ori_shape": (height, width)}
        sample = SegDataSample(metainfo={**shape, "is_target": index % 2 == 1})
        if index % 2 == 0:
            label = torch.randint(0, 11, (1, height, width), generator=generator)
            sample.gt_sem_seg = PixelData(data=label)
        images.append(image.to(device))
        samples.append(sample.to(device))
    return {"inputs": images, "data_samples": samples}
