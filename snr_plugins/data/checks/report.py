"""What was found in one split of a dataset."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Report:
    """What was found in one split.

    Args:
        title: dataset, split and folder.
        images, labels: number of files that bear the expected names.
        published: number of images that the dataset's paper has; None where any is right.
        sizes: number of images of each (height, width).
        odd_images: images that are read another way than they are stored, by what is odd.
        pixels: number of labelled pixels of each class.
        boxes: number of boxes of each class; groups apart, as "car group".
        faults: sentences by kind of fault.
        notes: what is worth knowing and not wrong.
        samples: some frames, for a picture: (image, label or None).
    """

    title: str
    images: int = 0
    labels: int = 0
    published: int | None = None
    sizes: Counter = field(default_factory=Counter)
    odd_images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    pixels: Counter = field(default_factory=Counter)
    boxes: Counter = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: list[str] = field(default_factory=list)
    samples: list[tuple[Path, Path | None]] = field(default_factory=list)
