"""What is wrong with a folder ``domain/class/image``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from snr_plugins.data.checks.inspection import inspect_images
from snr_plugins.data.checks.report import Report
from snr_plugins.data.listing import is_image, walk


def classes_of_domains(root: Path) -> dict[str, set[str]] | None:
    """Each domain's classes, folders both; None where ``root`` has not this form.

    It has where most names of classes are in several domains: folders of recordings share none. A
    tree of images and labels has splits in both.
    """
    classes = {domain: set(_folders(root / domain)) for domain in _folders(root)}
    counts = Counter(name for own in classes.values() for name in own)
    shared = [name for name, count in counts.items() if count > 1]
    if {"images", "labels"} <= classes.keys():
        return None
    return classes if shared and 2 * len(shared) > len(counts) else None


def inspect_domains(root: Path, classes: dict[str, set[str]], decode: bool = False) -> Report:
    """Check the images of all domains, and that every domain has every class.

    Args:
        root: the folder of the domains.
        classes: of `classes_of_domains`.
        decode: as of `snr_plugins.data.checks.inspection.inspect_layout`.
    """
    every = sorted(set().union(*classes.values()))
    images = {
        (domain, name): [path for path in walk(root / domain / name) if is_image(path)]
        for domain, own in classes.items()
        for name in sorted(own)
    }
    report = inspect_images(root, [path for found in images.values() for path in found], decode)
    report.title = f"{len(classes)} domains of {len(every)} classes, in {root}"
    for domain, own in classes.items():
        total = sum(len(found) for (of, _), found in images.items() if of == domain)
        report.labels += total
        report.notes.append(f"{domain}: {total} images")
        report.faults["class without images"] += [
            f"{root / domain / name} holds no image"
            for name in sorted(own)
            if not images[domain, name]
        ]
        report.faults["class missing in a domain"] += [
            f"{root / domain} has no folder '{name}'" for name in every if name not in own
        ]
    return report


def _folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
