"""Which layout a name or a folder means."""

from __future__ import annotations

from pathlib import Path

from snr_plugins.data.layout import BDD_JSON, Layout
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.listing import differs_in_case, walk
from snr_plugins.data.names import DETECTION_DATASETS
from snr_plugins.errors import InputError


def layout_named(name: str) -> tuple[Layout, tuple[str, ...]]:
    """The layout and splits of a name: a layout's own, or one of Detectron2's catalogue.

    ``cityscapes`` has all its splits, ``cityscapes_car_val`` or ``foggy_cityscapes_all_train`` one.

    Raises:
        InputError: there is none.
    """
    if name in LAYOUTS:
        return LAYOUTS[name], tuple(LAYOUTS[name].splits)
    if name in DETECTION_DATASETS:
        dataset = DETECTION_DATASETS[name]
        return dataset.layout, (dataset.split,)
    raise InputError(
        f"{name!r} is neither a folder nor a dataset: choose from {', '.join(LAYOUTS)}, or from "
        "the names for DATASETS in docs/datasets.md, or correct the path."
    )


def layouts_in(root: Path) -> list[Layout]:
    """The layouts that a folder has the form of, by the folders that it holds."""
    if (root / "city.json").is_file():
        return [LAYOUTS["synthetic_city"]]
    found = [
        layout
        for layout in LAYOUTS.values()
        if layout.name not in ("synthetic_city", "foggy_cityscapes_all")
        and any(_has_split(root, layout, split) for split in layout.splits)
    ]
    foggy = [layout for layout in found if layout.name.startswith("foggy_")]
    if len(foggy) == len(LAYOUTS["foggy_cityscapes_all"].conditions):
        found = [layout for layout in found if layout not in foggy]
        found.append(LAYOUTS["foggy_cityscapes_all"])
    return found


def _has_split(root: Path, layout: Layout, split: str) -> bool:
    """Whether images of the layout's names lie there, and a folder for their labels."""
    layout = layout.as_found(root, split)
    labels = root / layout.labels.folder_of(split)
    if layout.label_kind == BDD_JSON:
        if not layout.label_file(root, split).is_file():
            return False
    elif split not in layout.unlabelled and not labels.is_dir():
        return False
    images = layout.conditions[0]
    folder = root / images.folder_of(split)
    if not folder.is_dir():
        return False
    return any(
        path.name.endswith(images.suffix) or differs_in_case(path, images.suffix)
        for path in walk(folder, 1 if layout.nested else 0, faults=[])
    )
