"""What is wrong with a dataset on disk: everything at once, where a loader stops at the first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

from tqdm import tqdm

from snr_plugins.data.boxes import LabelledBox, Mends, check_box, is_dropped
from snr_plugins.data.checks.annotations import Annotation, read_annotation
from snr_plugins.data.checks.report import Report
from snr_plugins.data.checks.stems import (
    compare_stems,
    keep_listed,
    list_images,
    list_labels,
    report_duplicates,
)
from snr_plugins.data.images import (
    ImageFile,
    check_decodes,
    check_unspoilt,
    oddities,
    read_image_file,
)
from snr_plugins.data.layout import IDS, VOC_XML, Layout
from snr_plugins.data.names import box_names
from snr_plugins.data.train_ids import are_train_ids
from snr_plugins.data.voc import known_name
from snr_plugins.errors import InputError


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
    labels = list_labels(layout, root, split, report)
    images = {
        condition: list_images(layout, condition, root, split, report) for condition in conditions
    }
    keep_listed(layout, root, split, images, labels, report)
    stems = sorted(set().union(*images.values()))
    compare_stems(layout, split, images, labels, root, report)
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
    ids: set[int] = set()
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
        ids.update(annotation.ids)
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
    if are_train_ids(ids, layout.table):
        report.faults["train ids"].append(
            f"the labels *{layout.labels.suffix} hold 0 to 18 and 255 alone, which are train ids, "
            f"where the ids of {layout.table} should be: unpack them again"
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
    report_duplicates(images, report, key=lambda path: path.with_suffix(""))
    report.samples = [(image, None) for image in images]
    return report


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
            check_unspoilt(image, files[image])
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
    layout: Layout, box: LabelledBox, size: tuple[int, int] | None, mends: Mends, report: Report
) -> None:
    if layout.label_kind == VOC_XML:
        known_name(box, box_names(layout.name), mends)
    if size is None:  # the image is at fault itself
        return
    if layout.drops_empty_boxes and is_dropped(box.corners, box.where, mends):
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
