"""A trained network of either framework, as the tools that look at one see it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor, nn

from snr_plugins.data.folder import list_images
from snr_plugins.errors import InputError


class Frame(NamedTuple):
    """An image as the framework's own loader hands it out.

    ``inputs`` is what the model takes; ``truth`` is the framework's, None without labels.
    """

    domain: str
    path: str
    inputs: Any
    truth: Any


class Domain(NamedTuple):
    """What is looked at together: a name, and a file or folder; None for a dataset of that name."""

    name: str
    path: Path | None = None


class Scorer(Protocol):
    """The framework's own metric, on any part of a domain's images."""

    def add(self, frame: Frame, output: Any) -> None: ...

    def score(self, indices: Sequence[int]) -> float:
        """In percent, of the images that were added first, second, ...; NaN without a truth."""


class Network(Protocol):
    """A model in evaluation with everything that is the framework's around it."""

    model: nn.Module
    classes: Sequence[str]
    colours: Sequence[Sequence[int]]  # RGB of each class, as its visualiser draws it
    metric: str  # AP50 or mIoU

    def domains(self) -> list[str]:
        """Names of the datasets that its config tests on."""

    def frames(self, domain: Domain, count: int) -> Iterator[Frame]:
        """``count`` frames, evenly spread over the domain; all for 0."""

    def predict(self, frame: Frame) -> Any: ...

    def drawn(self, frame: Frame, output: Any = None) -> np.ndarray:
        """The image (H, W, 3) in RGB with an output on it; with the truth where there is none."""

    def pooled(
        self, frame: Frame, output: Any, features: Tensor, stride: float
    ) -> tuple[Tensor, list[int]]:
        """A map (1, C, H, W) averaged over each object or class, (P, C), and their class ids.

        By the truth; by the output where there is none.
        """

    def scorer(self, domain: Domain) -> Scorer | None:
        """None where the domain has no labels."""


def parse_domain(word: str) -> Domain:
    """``NAME=PATH``, a path of a file or folder, or the name of a dataset."""
    name, equals, path = word.partition("=")
    if equals:
        if not Path(path).exists():
            raise InputError(f"{word}: {path} does not exist; give NAME=FOLDER")
        return Domain(name, Path(path))
    if Path(word).exists():
        return Domain(Path(word).resolve().name, Path(word))
    return Domain(word)


def images_of(path: Path) -> list[Path]:
    """A file itself, or all images of a folder."""
    return [path] if path.is_file() else list_images(path)


def spread(items: Sequence[Any], count: int) -> list[Any]:
    """``count`` of the items, evenly spread; all for 0."""
    if not 0 < count < len(items):
        return list(items)
    return [items[int(index)] for index in np.linspace(0, len(items) - 1, count)]
