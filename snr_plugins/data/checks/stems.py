"""Which frames a split has: images and labels by their stems, and what does not go together."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from snr_plugins.data.checks.annotations import frames_by_stem
from snr_plugins.data.checks.report import Report
from snr_plugins.data.conditions import Condition
from snr_plugins.data.file_kinds import POLYGONS
from snr_plugins.data.layout import BDD_JSON, Layout
from snr_plugins.data.listing import differs_in_case, is_image, walk
from snr_plugins.errors import InputError

# What converters leave beside the labels of GTA5 and SYNTHIA; no reader takes them for labels.
DERIVED_LABELS = "_labelTrainIds.png"


def _files(folder: Path, layout: Layout, report: Report) -> Iterator[Path]:
    return walk(folder, 1 if layout.nested else 0, report.faults["unreadable folder"])


def list_images(
    layout: Layout, condition: Condition, root: Path, split: str, report: Report
) -> dict[str, Path]:
    """Images of one condition by stem (with their city, in nested layouts)."""
    folder = root / condition.folder_of(split)
    if not folder.is_dir():
        report.faults["missing folder"].append(f"{folder} does not exist")
        return {}
    found, others = {}, []
    for path in _files(folder, layout, report):
        if path.is_symlink() and not path.exists():
            report.faults["link to nothing"].append(f"{path} points to {os.readlink(path)}")
        elif path.name.endswith(condition.suffix):
            found[_stem(path, folder, condition.suffix)] = path
        elif differs_in_case(path, condition.suffix):
            report.faults["upper-case ending, which no loader sees"].append(
                f"{path} should end in {condition.suffix}"
            )
            others.append(path)
        elif is_image(path) and not layout.nested:
            others.append(path)
    if not found:
        report.faults["no image of the expected name"].append(
            f"no file {'<city>/' if layout.nested else ''}*{condition.suffix} lies in {folder}"
        )
    report_duplicates([*found.values(), *others], report, key=lambda path: _bare(path, condition))
    return found


def _bare(path: Path, condition: Condition) -> str:
    name = path.name
    if name.lower().endswith(condition.suffix.lower()):
        return name[: -len(condition.suffix)]
    return path.stem


def _stem(path: Path, folder: Path, suffix: str) -> str:
    return path.relative_to(folder).as_posix().removesuffix(suffix)


def list_labels(layout: Layout, root: Path, split: str, report: Report) -> dict[str, Path]:
    """Label files by stem; where one file holds a whole split, it stands for each of its stems."""
    if split in layout.unlabelled:
        return {}
    if layout.label_kind == BDD_JSON:
        return _list_labelled(layout.label_file(root, split), report)
    folder = root / layout.labels.folder_of(split)
    if not folder.is_dir():
        report.faults["missing folder"].append(f"{folder} does not exist")
        return {}
    return {
        _stem(path, folder, layout.labels.suffix): path
        for path in _files(folder, layout, report)
        if path.name.endswith(layout.labels.suffix)
        and not path.name.endswith(DERIVED_LABELS)
        and path.exists()
    }


def _list_labelled(path: Path, report: Report) -> dict[str, Path]:
    """The stems that one label file for a whole split names."""
    try:
        return dict.fromkeys(frames_by_stem(path), path)
    except InputError as error:
        report.faults["unreadable label"].append(str(error))
        return {}


def keep_listed(
    layout: Layout,
    root: Path,
    split: str,
    images: dict[Condition, dict[str, Path]],
    labels: dict[str, Path],
    report: Report,
) -> None:
    """Leave the frames of a split's list alone, in a layout with lists."""
    if layout.lists is None:
        return
    try:
        listed = layout.stems(root, split, "unpack ImageSets too") or []
    except InputError as error:
        report.faults["list of the split"].append(str(error))
        return
    for found in images.values():
        if found:
            report.faults["listed image is missing"] += [
                f"{stem} of the split {split} has no image" for stem in listed if stem not in found
            ]
    wanted = set(listed)
    for found in (*images.values(), labels):
        for stem in found.keys() - wanted:
            del found[stem]


def compare_stems(
    layout: Layout,
    split: str,
    images: dict[Condition, dict[str, Path]],
    labels: dict[str, Path],
    root: Path,
    report: Report,
) -> None:
    """Images that lack another condition or their label, and labels without image."""
    stems = set().union(*images.values())
    if not stems:  # the missing folder is named already
        return
    for condition, found in images.items():
        if found:
            report.faults[f"frame without its image {condition.name}"] += [
                f"{stem}{condition.suffix} is missing" for stem in sorted(stems - found.keys())
            ]
    if split in layout.unlabelled:
        return
    if layout.label_kind == BDD_JSON:
        unlisted = sorted(stems - labels.keys())
        if unlisted and labels:
            report.notes.append(
                f"{len(unlisted)} images are not in {layout.label_file(root, split)} (first: "
                f"{unlisted[0]}): the loaders leave them out"
            )
    else:
        _report_unlabelled(layout, root / layout.labels.folder_of(split), stems, labels, report)
    report.faults["label without image"] += [
        f"{labels[stem]} has {stem}, which is no image"
        if layout.label_kind == BDD_JSON
        else f"{labels[stem]} belongs to no image"
        for stem in sorted(labels.keys() - stems)
    ]


def _report_unlabelled(
    layout: Layout, folder: Path, stems: set[str], labels: dict[str, Path], report: Report
) -> None:
    for stem in sorted(stems - labels.keys()):
        label = folder / f"{stem}{layout.labels.suffix}"
        if (folder / f"{stem}{POLYGONS.suffix}").is_file():
            report.faults["polygons without masks"].append(
                f"{stem}{POLYGONS.suffix} is there, {label.name} is not: unpack gtFine again, "
                "or draw the masks with cityscapesScripts"
            )
        else:
            report.faults["image without label"].append(f"{stem} has no label {label}")


def report_duplicates(paths: list[Path], report: Report, key: Callable[[Path], object]) -> None:
    """Files that have the same ``key``."""
    by_key = defaultdict(list)
    for path in paths:
        by_key[key(path)].append(path)
    report.faults["one name twice"] += [
        " and ".join(map(str, same)) for same in by_key.values() if len(same) > 1
    ]
