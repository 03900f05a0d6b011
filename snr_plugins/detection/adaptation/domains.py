"""Source and target of one batch, and what a detector's parts see while they run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from detectron2.modeling import GeneralizedRCNN
from detectron2.structures import Boxes
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from snr_plugins.errors import InputError


def split_domains(batch: list[dict]) -> tuple[list[dict], list[dict]]:
    """The source's and the target's records of a batch; a domain is a property of the image.

    Raises:
        InputError: the batch is not one of a pair, or one of the domains is absent.
    """
    source = [x for x in batch if x.get("domain") == "source"]
    target = [x for x in batch if x.get("domain") == "target"]
    if not source or not target or len(source) + len(target) < len(batch):
        raise InputError(
            f"a batch of {len(batch)} has {len(source)} images of a source and {len(target)} of a "
            "target: set DATASETS.TRAIN to a pair of snr_plugins.detection.register_adaptation"
        )
    return source, target


@dataclass
class Seen:
    """What the parts of a Faster R-CNN have worked with in one pass.

    Args:
        features: the backbone's maps by name, (N, C, H, W) each.
        boxes: of the RoIs of each image, in pixels.
        vectors: of all RoIs, (R, C): what their classes are told from.
    """

    features: dict[str, Tensor] = field(default_factory=dict)
    boxes: list[Boxes] = field(default_factory=list)
    vectors: Tensor | None = None

    def counts(self) -> list[int]:
        """RoIs of each image."""
        return [len(boxes) for boxes in self.boxes]


@contextlib.contextmanager
def looking_at(detector: GeneralizedRCNN) -> Iterator[Seen]:
    """Within this block the detector's pass leaves what its parts work with: nothing runs twice."""
    seen = Seen()

    def see_features(_: nn.Module, __: tuple, features: dict[str, Tensor]) -> None:
        seen.features = features

    def see_boxes(_: nn.Module, inputs: tuple) -> None:
        seen.boxes = inputs[1]

    def see_vectors(_: nn.Module, inputs: tuple) -> None:
        seen.vectors = inputs[0]

    hooks = [detector.backbone.register_forward_hook(see_features)]
    pooler = getattr(detector.roi_heads, "box_pooler", getattr(detector.roi_heads, "pooler", None))
    if pooler is not None:
        hooks.append(pooler.register_forward_pre_hook(see_boxes))
        hooks.append(detector.roi_heads.box_predictor.register_forward_pre_hook(see_vectors))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def keeping_statistics(*models: nn.Module) -> Iterator[None]:
    """Within this block batch norms that learn normalise by their batch, as ever in training, and
    leave their running statistics as they are: those that evaluation uses."""
    modules = [module for model in models for module in model.modules()]
    momenta = {norm: norm.momentum for norm in modules if isinstance(norm, _BatchNorm)}
    for norm in momenta:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum


@contextlib.contextmanager
def boxes_alone(heads: nn.Module) -> Iterator[None]:
    """Within this block masks and keypoints are not learned: the boxes of a teacher have none."""
    kept = {name: getattr(heads, name, False) for name in ("mask_on", "keypoint_on")}
    for name in kept:
        setattr(heads, name, False)
    try:
        yield
    finally:
        for name, on in kept.items():
            setattr(heads, name, on)


@contextlib.contextmanager
def proposing(rpn: nn.Module) -> Iterator[None]:
    """Within this block the RPN needs no boxes, and proposes as many of its own as in training."""
    learning = rpn.training
    counts = [getattr(rpn, name) for name in ("pre_nms_topk", "post_nms_topk")]  # by ``training``
    of_test = [count[False] for count in counts]
    rpn.eval()
    for count in counts:
        count[False] = count[True]
    try:
        yield
    finally:
        rpn.train(learning)
        for count, kept in zip(counts, of_test, strict=True):
            count[False] = kept


def learns_statistics(model: nn.Module) -> bool:
    """Whether it has batch norms that are not frozen."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())
