"""Conditions, the looks of a scene, and where Cityscapes' layout has the images of each.

All conditions of a frame share one label: fog, night and rain change the look alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from snr_plugins.data.file_kinds import FileKind


@dataclass(frozen=True)
class Condition(FileKind):
    """One look of a scene; as a `FileKind`, the images that show it.

    Args:
        name: what configs and messages call it; "image" where a dataset does not tell looks apart.
        beta: attenuation of the fog per metre; None without fog.
    """

    name: str = "image"
    beta: float | None = None


def _condition(name: str, folder: str, beta: float | None = None) -> Condition:
    ending = folder if beta is None else f"{folder}_beta_{beta}"
    return Condition(f"{folder}/{{split}}", f"_{ending}.png", name, beta)


CONDITIONS = {
    condition.name: condition
    for condition in (
        _condition("clear", "leftImg8bit"),
        _condition("foggy_beta_0.005", "leftImg8bit_foggy", 0.005),
        _condition("foggy_beta_0.01", "leftImg8bit_foggy", 0.01),
        _condition("foggy_beta_0.02", "leftImg8bit_foggy", 0.02),
        _condition("night", "leftImg8bit_night"),
        _condition("rain", "leftImg8bit_rain"),
    )
}
FOGGY = tuple(name for name, condition in CONDITIONS.items() if condition.beta is not None)


def betas_of(names: Iterable[str]) -> list[float]:
    """Fog densities among conditions; names of other datasets' conditions have none."""
    conditions = [CONDITIONS[name] for name in names if name in CONDITIONS]
    return [condition.beta for condition in conditions if condition.beta is not None]


BETAS = tuple(betas_of(CONDITIONS))
