"""What is wrong with a dataset on disk: everything at once, where a loader stops at the first."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

from tqdm import tqdm

from snr_plugins.data.boxes import Mends, check_box, has_no_extent
from snr_plugins.data.checks.annotations import (
    Annotation,
    Box,
    boxes_by_stem,
    read_annotation,
)
from snr_plugins.data.conditions import Condition
from snr_plugins.data.file_kinds import POLYGONS
from snr_plugins.data.images import (
    ImageFile,
    check_decodes,
    check_grey,
    oddities,
    read_image_file,
)
from snr_plugins.data.layout import BDD_JSON, IDS, Layout
from snr_plugins.data.listing import differs_in_case, is_image, walk
from snr_plugins.errors import InputError

# What converters leave beside the labels of GTA5 and SYNTHIA; no reader takes them for labels.
DERIVED_LABELS = "_labelTrainIds.png"


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


def inspect_layout(
    layout: Layout,
    root: Path,
    split: str,
    any_count: bool = False,
    decode: bool = False,
    progress: bool = True,
) -> Report:
    """Check one split of a dataset in its layout.

    Args:
        layout: of `snr_plugins.data.layouts`.
        root: the dataset's folder.
        split: one of the layout's.
        any_count: another number of images than the published one is no fault.
        decode: decode every image, which finds damage inside; else its first and last bytes tell
            whether it is whole. Label images are always decoded.
        progress: show a progress bar on stderr.
    """
    layout = layout.as_found(root, split)
    conditions = [
        condition
        for condition in layout.conditions
        if not layout.any_conditions or (root / condition.folder_of(split)).is_dir()
    ] or list(layout.conditions)
    report = Report(f"{layout.name}, {split}, in {root}", published=layout.splits.get(split))
    labels = _list_labels(layout, root, split, report)
    images = {
        condition: _list_images(layout, condition, root, split, report) for condition in conditions
    }
    _keep_listed(layout, root, split, images, labels, report)
    stems = sorted(set().union(*images.values()))
    _compare_stems(layout, split, images, labels, root, report)
    report.images = sum(map(len, images.values()))
    report.labels = len(labels)
    if report.published not in (None, report.images) and not any_count:
        report.faults["number of images"].append(
            f"{report.images} images, but {report.published} are published ({layout.citation}): "
            "unpack the archives again, or say --any-count for a part of the dataset"
        )
    jobs = [
        ([found[stem] for found in images.values() if stem in found], labels.get(stem))
        for stem in stems
    ]
    size_of: dict[Path, tuple[int, int]] = {}
    mends = Mends()
    for (_, label), (files, annotation, faults) in zip(
        jobs, _in_threads(layout, jobs, decode, progress), strict=True
    ):
        for kind, sentence in faults:
            report.faults[kind].append(sentence)
        _note_odd_images(files, report)
        sizes = {path: file.size for path, file in files.items()}
        size_of.update(sizes)
        if annotation is None or label is None:
            continue
        report.pixels.update(annotation.pixels)
        report.boxes.update(box.title for box in annotation.boxes)
        if layout.label_kind != IDS:  # a mask's box is within the mask
            for box in annotation.boxes:
                _check_box(layout, box, next(iter(sizes.values()), None), mends, report)
        if annotation.is_rewritten:
            report.faults["label that a loader wrote anew"].append(
                f"{label} has lost what the archive's file has; its boxes may have moved: unpack "
                "the annotations again"
            )
        left_out = label.stem in layout.left_out
        for path, size in sizes.items():
            if annotation.size not in (None, size):
                sentence = (
                    f"{path} is {size[1]}x{size[0]}, its label {label} is "
                    f"{annotation.size[1]}x{annotation.size[0]}"
                )
                if left_out:
                    report.notes.append(f"{sentence}: known, the loaders leave it out")
                else:
                    report.faults["label of another size than its image"].append(sentence)
        if annotation.unknown and not left_out:
            report.faults["label ids that the dataset does not define"].append(
                f"{label} holds {', '.join(map(str, annotation.unknown))}"
            )
    report.notes += [f"mended when read: {sentence}" for sentence in mends.sentences()]
    report.sizes.update(size_of.values())
    if layout.one_size:
        _report_odd_sizes(size_of, report)
    report.samples = [(paths[0], label) for paths, label in jobs if paths]
    return report


def inspect_images(
    root: Path, images: list[Path], decode: bool = False, progress: bool = True
) -> Report:
    """Check a plain folder of images, unlabelled; arguments as of `inspect_layout`."""
    report = Report(f"images without labels, in {root}", images=len(images))
    jobs = [([image], None) for image in images]
    for files, _, faults in _in_threads(None, jobs, decode, progress):
        for kind, sentence in faults:
            report.faults[kind].append(sentence)
        _note_odd_images(files, report)
        report.sizes.update(file.size for file in files.values())
    _report_duplicates(images, report, key=lambda path: path.with_suffix(""))
    report.samples = [(image, None) for image in images]
    return report


def _files(folder: Path, layout: Layout, report: Report) -> Iterator[Path]:
    return walk(folder, 1 if layout.nested else 0, report.faults["unreadable folder"])


def _list_images(
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
    _report_duplicates([*found.values(), *others], report, key=lambda path: _bare(path, condition))
    return found


def _bare(path: Path, condition: Condition) -> str:
    name = path.name
    if name.lower().endswith(condition.suffix.lower()):
        return name[: -len(condition.suffix)]
    return path.stem


def _stem(path: Path, folder: Path, suffix: str) -> str:
    return path.relative_to(folder).as_posix().removesuffix(suffix)


def _list_labels(layout: Layout, root: Path, split: str, report: Report) -> dict[str, Path]:
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
        return dict.fromkeys(boxes_by_stem(path), path)
    except InputError as error:
        report.faults["unreadable label"].append(str(error))
        return {}


def _keep_listed(
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


def _compare_stems(
    layout: Layout,
    split: str,
    images: dict[Condition, dict[str, Path]],
    labels: dict[str, Path],
    root: Path,
    report: Report,
) -> None:
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


def _report_duplicates(paths: list[Path], report: Report, key) -> None:
    by_key = defaultdict(list)
    for path in paths:
        by_key[key(path)].append(path)
    report.faults["one name twice"] += [
        " and ".join(map(str, same)) for same in by_key.values() if len(same) > 1
    ]


def _in_threads(layout: Layout | None, jobs: list, decode: bool, progress: bool) -> Iterator[tuple]:
    # Decoding releases the interpreter lock.
    with ThreadPool(os.cpu_count() or 1) as pool:
        results = pool.imap(lambda job: _check(layout, job[0], job[1], decode), jobs, chunksize=16)
        yield from tqdm(results, total=len(jobs), unit="frame", disable=not progress)


def _check(
    layout: Layout | None, images: list[Path], label: Path | None, decode: bool
) -> tuple[dict[Path, ImageFile], Annotation | None, list[tuple[str, str]]]:
    """The whole images, what the label holds, and what cannot be read."""
    files, annotation, faults = {}, None, []
    for image in images:
        try:
            files[image] = read_image_file(image)
            check_grey(image, files[image])
            if decode:
                check_decodes(image)
        except InputError as error:
            faults.append(("unreadable image", str(error)))
    if layout is not None and label is not None:
        try:
            annotation = read_annotation(layout, label, images[0].stem if images else "")
        except InputError as error:
            faults.append(("unreadable label", str(error)))
        if layout.label_kind == IDS and annotation is not None and annotation.missing:
            faults.append(("polygons without masks", f"{annotation.missing} is missing"))
    return files, annotation, faults


def _check_box(
    layout: Layout, box: Box, size: tuple[int, int] | None, mends: Mends, report: Report
) -> None:
    if size is None:  # the image is at fault itself
        return
    if layout.drops_empty_boxes and has_no_extent(box.corners):
        mends.add("a box without width or height was left out", box.where)
        return
    try:
        check_box(box.corners, size, box.where, mends)
    except InputError as error:
        report.faults["impossible box"].append(str(error))


def _note_odd_images(files: dict[Path, ImageFile], report: Report) -> None:
    for path, file in files.items():
        for oddity in oddities(file):
            report.odd_images[oddity].append(path)


def _report_odd_sizes(size_of: dict[Path, tuple[int, int]], report: Report) -> None:
    if len(report.sizes) < 2:
        return
    common, _ = report.sizes.most_common(1)[0]
    report.faults["odd size"] += [
        f"{path} is {width}x{height}, most are {common[1]}x{common[0]}"
        for path, (height, width) in size_of.items()
        if (height, width) != common
    ]
