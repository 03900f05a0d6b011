"""Whole detectors and segmentors, SNR against plain, for ``benchmarks/speed.py``.

Both networks of a pair have the same random weights and the SNRs' gates are open (a = 1, the
identity): they see the same proposals, so what differs is the work of SNR alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import alternate, milliseconds, peak_bytes, ratio
from snr_plugins.nn import find_snr

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
DETECTION = "detection/faster_rcnn_{}_cityscapes_to_foggy{}.yaml"
SEGMENTATION = "segmentation/deeplabv3plus_r50_gta5{}.py"
BOXES = 12  # in a training image of a detector, of 1/8 of its size


def compare_models(device: str, rounds: int, shrink: int) -> list[dict]:
    """Rows of ratios, SNR over plain: an image of 600x1200 (detectors), two of 512x1024."""
    pairs = {
        "Faster R-CNN R50-FPN": lambda: [detector("R_50_FPN", snr, device) for snr in ("", "_snr")],
        "Faster R-CNN R50-C4": lambda: [detector("R_50_C4", snr, device) for snr in ("", "_snr")],
        "DeepLabV3+ R50": lambda: [segmentor(snr, device) for snr in ("", "_snr")],
    }
    print("\nmodels: SNR over plain")
    rows = []
    for name, build in pairs.items():
        networks = dict(zip(("plain", "snr"), build(), strict=True))
        see_the_same(networks["snr"], networks["plain"])
        is_detector = name.startswith("Faster")
        height, width = (600, 1200) if is_detector else (512, 1024)
        batch = (detection_batch if is_detector else segmentation_batch)(
            height // shrink, width // shrink, device
        )
        row = {"model": name, "image": f"{height // shrink}x{width // shrink}"}
        for what, steps in {
            "inference": {key: inference(net, batch) for key, net in networks.items()},
            "training step": {key: training(net, batch) for key, net in networks.items()},
        }.items():
            row |= costs(what, networks, steps, device, rounds)
            if what == "inference":  # convolutions and matrix products
                flops = {key: count_flops(step) for key, step in steps.items()}
                row["FLOPs"] = round(flops["snr"] / flops["plain"], 5)
                row["GFLOPs"] = {key: round(value / 1e9, 2) for key, value in flops.items()}
        params = {k: sum(p.numel() for p in net.parameters()) for k, net in networks.items()}
        row["parameters"] = round(params["snr"] / params["plain"], 4)
        rows.append(row)
        for key, value in row.items():
            print(f"  {key}: {value}", flush=True)
    return rows


def costs(
    what: str,
    networks: Mapping[str, nn.Module],
    steps: Mapping[str, Callable[[], object]],
    device: str,
    rounds: int,
) -> dict:
    """Time and peak memory of the steps of "snr" over those of "plain"."""
    times = alternate(steps, rounds, device)
    held = {key: state_bytes(networks[key]) + peak_bytes(steps[key], device) for key in steps}
    return {
        what: ratio(times, "snr", "plain"),
        f"{what}, ms": milliseconds(times),
        f"{what}, peak memory": round(held["snr"] / held["plain"], 4),
        f"{what}, peak MiB": {key: value >> 20 for key, value in held.items()},
    }


def see_the_same(network: nn.Module, plain: nn.Module) -> None:
    """Give ``network`` the weights of ``plain``, and open its SNRs' gates: the identity."""
    network.load_state_dict(plain.state_dict(), strict=False)
    for snr in find_snr(network).values():
        nn.init.zeros_(snr.gate.fc2.weight)
        nn.init.constant_(snr.gate.fc2.bias, 50.0)


def detector(body: str, suffix: str, device: str) -> nn.Module:
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    from snr_plugins.detection import add_snr_config

    cfg = get_cfg()
    add_snr_config(cfg)
    cfg.merge_from_file(str(CONFIGS / DETECTION.format(body, suffix)))
    cfg.MODEL.DEVICE = device
    torch.manual_seed(0)
    return build_model(cfg)


def segmentor(suffix: str, device: str) -> nn.Module:
    from mmengine.config import Config

    cfg = Config.fromfile(CONFIGS / SEGMENTATION.format(suffix)).model
    cfg.data_preprocessor.size, cfg.data_preprocessor.size_divisor = None, 32  # do not pad to crops
    return build_segmentor(cfg, device)


def build_segmentor(cfg: dict, device: str) -> nn.Module:
    """Of ``model`` in a config of MMSegmentation, with random weights, for one process."""
    from mmengine.model import revert_sync_batchnorm
    from mmengine.registry import MODELS, DefaultScope

    import snr_plugins.segmentation  # noqa: F401  registers

    cfg["backbone"]["init_cfg"] = cfg["pretrained"] = None
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmseg"):
        return revert_sync_batchnorm(MODELS.build(cfg)).to(device)


def detection_batch(height: int, width: int, device: str) -> list[dict]:
    from detectron2.structures import Boxes, Instances

    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    corners = torch.rand(BOXES, 2, generator=generator) * 7 / 8 * torch.tensor([width, height])
    size = torch.tensor([width, height]) / 8
    boxes = Boxes(torch.cat([corners, corners + size], 1))
    classes = torch.arange(BOXES) % 8
    instances = Instances((height, width), gt_boxes=boxes, gt_classes=classes)
    return [{"image": image.to(device), "instances": instances.to(device)}]


def segmentation_batch(height: int, width: int, device: str) -> dict:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    # two images: in training the pooled branch of DeepLab's head has a batch norm over 1 x 1
    samples, images = [], []
    for _ in range(2):
        shape = {"img_shape": (height, width), "ori_shape": (height, width)}
        sample = SegDataSample(metainfo={**shape, "pad_shape": (height, width)})
        label = torch.randint(0, 19, (1, height // 16, width // 16), generator=generator)
        label = label.repeat_interleave(16, 1).repeat_interleave(16, 2)
        sample.gt_sem_seg = PixelData(data=label).to(device)
        samples.append(sample)
        image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
        images.append(image.to(device))
    return {"inputs": images, "data_samples": samples}


def inference(network: nn.Module, batch: list | dict) -> Callable[[], object]:
    def step():
        network.eval()
        with torch.no_grad():
            if isinstance(batch, dict):
                data = network.data_preprocessor(batch, False)
                return network(data["inputs"], data["data_samples"], mode="tensor")
            return network(batch)

    return step


def training(network: nn.Module, batch: list | dict) -> Callable[[], object]:
    # a rate of 0: the work of an optimizer, and the two networks stay the same
    learnt = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learnt, lr=0.0, momentum=0.9)

    def step():
        network.train()
        torch.manual_seed(0)  # the same proposals are sampled
        if isinstance(batch, dict):
            data = network.data_preprocessor(batch, True)
            losses = network(data["inputs"], data["data_samples"], mode="loss")
            loss, _ = network.parse_losses(losses)
        else:
            from detectron2.utils.events import EventStorage

            with EventStorage():
                loss = sum(network(batch).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def state_bytes(network: nn.Module) -> int:
    """Parameters and buffers, which are there before a step."""
    return sum(t.numel() * t.element_size() for t in network.state_dict().values())


def count_flops(step: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()
