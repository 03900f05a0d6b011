"""What the style layers of a network do to each image of each domain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from looking.network import Domain, Frame, Network
from snr_plugins.errors import InputError
from snr_plugins.nn import StyleRecord, find_layers, recorded_styles


class Stage(NamedTuple):
    """One style layer on one image: channels' means and deviations before and after, (C,) each.

    ``gate`` (C,) is of SNR, ``distance`` of SNR with trust that has learned; None elsewhere.
    """

    means: tuple[np.ndarray, np.ndarray]
    deviations: tuple[np.ndarray, np.ndarray]
    gate: np.ndarray | None
    distance: float | None


class Objects(NamedTuple):
    """Boxes or classes of one image: features before and after the last layer, (P, C), and ids."""

    before: np.ndarray
    after: np.ndarray
    classes: list[int]


class Seen(NamedTuple):
    """An image, what came out for it, and what each stage did to it.

    ``residuals`` are the sizes of R+ and R- in every place of each SNR's map, (H, W).
    """

    frame: Frame
    output: Any
    stages: dict[str, Stage]
    objects: Objects
    residuals: dict[str, tuple[np.ndarray, np.ndarray]]


def look(network: Network, domain: Domain, count: int, details: int) -> Iterator[Seen]:
    """Run ``count`` images of a domain; the first ``details`` of them keep output and residuals."""
    names = short_names(network.model)
    for index, frame in enumerate(network.frames(domain, count)):
        with recorded_styles(network.model) as records:
            output = network.predict(frame)
        if not records:
            kinds = sorted({type(layer).__name__ for layer in find_layers(network.model).values()})
            raise InputError(
                f"{', '.join(kinds)} acts in training alone: there is nothing to see in a trained "
                "network; take one with SNR, instance norm or IBN"
            )
        yield Seen(
            frame if index < details else frame._replace(inputs=None),
            output if index < details else None,
            {names[name]: _stage(passes) for name, passes in records.items()},
            _objects(network, frame, output, records),
            {
                names[name]: _sizes(passes[0])
                for name, passes in records.items()
                if index < details and passes[0].gate is not None
            },
        )


def short_names(model: nn.Module) -> dict[str, str]:
    """``backbone.bottom_up.res2.snr`` becomes ``res2``, where nothing else would."""
    layers = list(find_layers(model))
    stages = [name.split(".")[-2] if "." in name else name for name in layers]
    return {
        name: stage if stages.count(stage) == 1 else name
        for name, stage in zip(layers, stages, strict=True)
    }


def distances(seen: Iterable[Seen], stage: str) -> np.ndarray:
    """d / t of each image at a stage."""
    return np.array([image.stages[stage].distance for image in seen], dtype=float)


def stages_with(seen: Iterable[Seen], field: str) -> list[str]:
    """Names of the stages whose ``gate`` or ``distance`` is known."""
    first = next(iter(seen))
    return [n for n, stage in first.stages.items() if getattr(stage, field) is not None]


def _stage(passes: list[StyleRecord]) -> Stage:
    """The mean over the passes, several where inference slides over windows."""
    deviations = [record.deviations() for record in passes]
    gates = [record.gate for record in passes if record.gate is not None]
    distances = [record.distance for record in passes if record.distance is not None]
    return Stage(
        (_mean([r.mean for r in passes]), _mean([r.restyled.centre for r in passes])),
        (_mean([d[0] for d in deviations]), _mean([d[1] for d in deviations])),
        _mean(gates) if gates else None,
        (float(_mean(distances)) or None) if distances else None,  # 0: no threshold is known
    )


def _mean(values: list[Tensor]) -> np.ndarray:
    return torch.stack([value[0] for value in values]).mean(0).double().cpu().numpy()


def _objects(
    network: Network, frame: Frame, output: Any, records: dict[str, list[StyleRecord]]
) -> Objects:
    """Of the deepest layer; none where inference slides, since labels fit the whole image."""
    name, passes = list(records.items())[-1]
    (seen, *more) = passes
    stride = find_layers(network.model)[name].stride
    if more or stride is None:
        nothing = np.zeros((0, seen.features.shape[1]))
        return Objects(nothing, nothing, [])
    before, classes = network.pooled(frame, output, seen.features, stride)
    # averaging commutes with the affine map
    after = seen.restyled.scale * (before - seen.mean) + seen.restyled.centre
    return Objects(before.double().cpu().numpy(), after.double().cpu().numpy(), classes)


def _sizes(seen: StyleRecord) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square over the channels of R+ and R-."""
    restored, removed = (r[0].square().mean(0).sqrt().cpu().numpy() for r in seen.residuals())
    return restored, removed
