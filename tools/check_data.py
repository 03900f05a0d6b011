"""Check a dataset on disk: layout, counts, damaged files, labels; exit 1 if anything is wrong.

python tools/check_data.py cityscapes                  # below $DETECTRON2_DATASETS or --root
python tools/check_data.py foggy_cityscapes_beta_0.02_val
python tools/check_data.py data/gta5 --picture gta5.jpg
python tools/check_data.py data/pacs                   # domains: domain/class/image
python tools/check_data.py frames/                     # any images; any COCO file
python tools/check_data.py data/                       # each dataset that lies there
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

import cv2

from snr_plugins.data.boxes import LabelledBox
from snr_plugins.data.checks.coco_files import coco_files, file_names, image_folder
from snr_plugins.data.checks.domains import classes_of_domains, inspect_domains
from snr_plugins.data.checks.gallery import gallery
from snr_plugins.data.checks.inspection import inspect_images, inspect_layout
from snr_plugins.data.checks.recognition import layout_named, layouts_in
from snr_plugins.data.checks.report import Report
from snr_plugins.data.coco import read_coco
from snr_plugins.data.files import write_whole
from snr_plugins.data.folder import list_images
from snr_plugins.data.layout import Layout
from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.errors import InputError

SHOWN = 10  # faults of a kind
# What was found, how its labels are read, and the boxes of an image where they are known otherwise
Checked = tuple[Report, Layout | None, dict[Path, list[LabelledBox]]]


def check(name: str, root: Path, any_count: bool, decode: bool) -> list[Checked]:
    """A report for each split that a name or path stands for."""
    path = Path(name)
    if path.suffix == ".json" and path.is_file():
        return [check_coco(path, decode)]
    if not path.is_dir():
        layout, splits = layout_named(name)
        folder = root / layout.folder
        if not folder.is_dir():
            raise InputError(
                f"The folder {folder} does not exist: set DETECTRON2_DATASETS or --root to the "
                f"folder that holds {layout.folder}, or give the path itself."
            )
        return [
            (inspect_layout(layout, folder, split, any_count, decode), layout, {})
            for split in splits
        ]
    reports = check_recognised(path, any_count, decode)
    if not reports:  # a folder of datasets
        below = sorted(folder for folder in path.glob("[!.]*") if folder.is_dir())
        reports = [r for folder in below for r in check_recognised(folder, any_count, decode)]
    if reports:
        return reports
    if classes := classes_of_domains(path):
        return [(inspect_domains(path, classes, decode), None, {})]
    report = inspect_images(path, list_images(path), decode)
    report.notes.append(
        "no dataset's layout was recognised; if this should be one, give its name and --root"
    )
    return [(report, None, {})]


def check_recognised(path: Path, any_count: bool, decode: bool) -> list[Checked]:
    """A report for each split and COCO file that a folder holds; none where it is no dataset's."""
    reports: list[Checked] = [
        (inspect_layout(layout, path, split, any_count, decode), layout, {})
        for layout in layouts_in(path)
        for split in layout.splits
        if (path / layout.as_found(path, split).conditions[0].folder_of(split)).is_dir()
    ]
    return reports + [check_coco(file, decode) for file in coco_files(path)]


def check_coco(file: Path, decode: bool) -> Checked:
    """Images and boxes of a COCO file, whose images lie beside it or near."""
    names = file_names(file)
    folder = image_folder(file, names)
    images = [folder / name for name in names]
    report = inspect_images(folder, [image for image in images if image.is_file()], decode)
    report.title = f"COCO file {file}, images in {folder}"
    faults: list[str] = []
    try:
        coco = read_coco(file, folder, faults=faults)
    except InputError as error:
        report.faults["COCO file"].append(str(error))
        return report, None, {}
    known = report.faults["unreadable image"]
    report.faults["COCO file"] += [
        fault for fault in faults if not any(fault.endswith(sentence) for sentence in known)
    ]
    report.notes += [f"mended when read: {sentence}" for sentence in coco.mends.sentences()]
    classes = {entry["id"]: entry["name"] for entry in coco.content["categories"]}
    path_of = {entry["id"]: folder / entry["file_name"] for entry in coco.content["images"]}
    boxes: dict[Path, list[LabelledBox]] = {}
    for entry in coco.content.get("annotations", []):
        x, y, width, height = entry["bbox"]
        name, corners = classes[entry["category_id"]], [x, y, x + width, y + height]
        box = LabelledBox(name, corners, is_group=bool(entry["iscrowd"]))
        boxes.setdefault(path_of[entry["image_id"]], []).append(box)
        report.boxes[box.title] += 1
    report.labels = len(boxes)
    return report, None, boxes


def experiments(report: Report, layout: Layout | None) -> tuple[str, ...]:
    """What the data is good for."""
    if layout is not None:
        return layout.experiments
    if report.boxes:
        return ("source or target: snr_plugins.detection.register_coco_folder",)
    if report.labels:
        return ("domain generalisation in classification: docs/classification.md",)
    return ("unlabelled target: snr_plugins.detection.register_image_folder",)


def describe(report: Report, layout: Layout | None, everything: bool) -> str:
    """The report as text."""
    of = f" of {report.published} published" if report.published is not None else ""
    lines = [report.title, f"  images    {report.images}{of}, {report.labels} labels"]
    if layout is not None and layout.citation:
        lines.append(f"  from      {layout.citation}")
    sizes = [f"{width}x{height} ({n})" for (height, width), n in report.sizes.most_common(4)]
    more = len(report.sizes) - len(sizes)
    lines.append(f"  size      {', '.join(sizes)}" + (f" and {more} others" if more > 0 else ""))
    if report.pixels:
        lines.append(f"  pixels    {_shares(report.pixels)}")
    if report.boxes:
        boxes = ", ".join(f"{name} {count}" for name, count in report.boxes.most_common())
        lines.append(f"  boxes     {boxes}")
    faults = {kind: found for kind, found in report.faults.items() if found}
    mended = ", once mended" if faults else ""
    lines += [f"  good for  {use}{mended}" for use in experiments(report, layout)]
    lines += [f"  note      {note}" for note in (*report.notes, *odd_images(report))]
    for kind, found in faults.items():
        lines.append(f"  WRONG     {kind}: {len(found)}")
        shown = found if everything else found[:SHOWN]
        lines += [f"              {sentence}" for sentence in shown]
        if len(found) > len(shown):
            lines.append(f"              and {len(found) - len(shown)} more: say --all")
    if not faults:
        lines.append("  nothing wrong")
    return "\n".join(lines)


def odd_images(report: Report) -> list[str]:
    """A sentence for each way in which images are read otherwise than they are stored."""
    return [
        f"{len(paths)} of {report.images} images are {oddity} (first: {paths[0]})"
        for oddity, paths in report.odd_images.items()
    ]


def _shares(pixels: Counter) -> str:
    total = sum(pixels.values())
    return ", ".join(f"{name} {100 * n / total:.2g} %" for name, n in pixels.most_common())


def write_picture(path: Path, reports: list) -> None:
    """The frames of all reports; each shows its share of nine."""
    pictures = [
        gallery(report.samples, layout, boxes, class_names(report))
        for report, layout, boxes in reports
        if report.samples
    ]
    if not pictures:
        raise InputError(f"There is no image to draw {path} from: mend the dataset first.")
    for index, picture in enumerate(pictures):
        name = path if index == 0 else path.with_stem(f"{path.stem}_{index + 1}")
        write_whole(name, cv2.imencode(name.suffix, picture[..., ::-1])[1].tobytes())
        print(f"wrote {name}")


def class_names(report: Report) -> list[str]:
    """Of the boxes, in a fixed order."""
    return sorted({name.removesuffix(" group") for name in report.boxes})


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME|PATH", help=f"{', '.join(LAYOUTS)}; or a folder")
    parser.add_argument(
        "--root",
        type=Path,
        default=Path(os.environ.get("DETECTRON2_DATASETS", "datasets")),
        help="folder that holds the datasets, for a NAME ($DETECTRON2_DATASETS)",
    )
    parser.add_argument("--any-count", action="store_true", help="a part of the dataset is fine")
    parser.add_argument("--decode", action="store_true", help="find damage inside images (slow)")
    parser.add_argument("--all", action="store_true", help=f"more than {SHOWN} faults of a kind")
    parser.add_argument(
        "--picture", type=Path, help="write frames with boxes or masks (.jpg, .png)"
    )
    args = parser.parse_args()
    if args.picture and args.picture.suffix.lower() not in (".jpg", ".png"):
        parser.error(f"--picture: {args.picture} should end in .jpg or .png")
    try:
        reports = check(args.name, args.root, args.any_count, args.decode)
        for report, layout, _ in reports:
            print(describe(report, layout, args.all))
        if args.picture:
            write_picture(args.picture, reports)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if any(any(report.faults.values()) for report, _, _ in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
