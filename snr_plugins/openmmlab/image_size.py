"""What size a pipeline gives the network, in words: for the stamp."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

# Parts of the names of transforms that change the size of an image
CHANGES_SIZE = ("Resize", "Rescale", "Crop", "Pad")


def describe_image_size(transforms: Iterable[Any]) -> str:
    """The sizes that built transforms resize to; of test-time augmentation, those of all views.

    Labels are scored at their own size all the same.
    """
    sizes = {", then ".join(_steps(view)) or "as on disk" for view in _views(list(transforms))}
    return ", ".join(sorted(sizes))


def _views(transforms: list[Any]) -> Iterator[list[Any]]:
    for index, transform in enumerate(transforms):
        if type(transform).__name__ == "TestTimeAug":
            for view in transform.subroutines:
                yield [*transforms[:index], *view.transforms]
            return
    yield transforms


def _steps(transforms: Iterable[Any]) -> Iterator[str]:
    for transform in transforms:
        name = type(transform).__name__
        if name == "Resize" and transform.scale is None:
            yield "{} x {} times the image".format(*transform.scale_factor)
        elif name == "Resize":
            yield _box(transform.scale, transform.keep_ratio)
        elif name == "RandomResize" and transform.ratio_range is not None:
            low, high = transform.ratio_range
            yield f"{low} to {high} times {_box(transform.scale, transform.resize.keep_ratio)}"
        elif name == "RandomResize":
            yield " to ".join(_box(scale, transform.resize.keep_ratio) for scale in transform.scale)
        elif name == "RandomChoiceResize":
            boxes = (_box(scale, transform.resize.keep_ratio) for scale in transform.scales)
            yield f"one of {' or '.join(boxes)}"
        elif name == "ResizeShortestEdge":
            yield f"shortest edge {transform.scale}, at most {transform.max_size}"
        elif name == "ResizeToMultiple":
            yield f"multiples of {transform.size_divisor}"
        elif any(part in name for part in CHANGES_SIZE):
            yield name


def _box(scale: tuple[int, int], keep_ratio: bool) -> str:
    """With the ratio kept, what an image is fitted into; its long edge to the longer side."""
    return f"{'within ' if keep_ratio else ''}{scale[0]}x{scale[1]}"
