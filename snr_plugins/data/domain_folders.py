"""Folders ``domain/class/image``: the datasets of domain generalisation in classification.

A benchmark is an entry of `DOMAIN_FOLDERS`; any other folder of this form needs none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from snr_plugins.data.listing import IMAGE_SUFFIXES, is_image, walk
from snr_plugins.errors import InputError

SPLITS = ("all", "train", "val")
VAL_EVERY = 10  # of each class's images, sorted by name, every tenth is the validation part


@dataclass(frozen=True)
class DomainFolder:
    """What a benchmark is made of; its classes are folders of each domain's.

    Args:
        domains: folders below the root.
        num_classes: in each of them, by the same names.
    """

    domains: tuple[str, ...]
    num_classes: int


DOMAIN_FOLDERS = {
    "pacs": DomainFolder(("art_painting", "cartoon", "photo", "sketch"), 7),  # Li et al., 2017
    "office_home": DomainFolder(("Art", "Clipart", "Product", "Real World"), 65),  # 2017
    "digit_five": DomainFolder(("mnist", "mnistm", "usps", "svhn", "syn"), 10),  # Peng et al., 2019
}


def find_domains(root: str | os.PathLike[str], layout: str | None = None) -> tuple[str, ...]:
    """The domains of a folder: those of its layout, by default all folders in it, sorted.

    Raises:
        InputError: the folder or one of the domains is missing, or there is no such layout.
    """
    root = Path(root)
    found = _folders(root)
    if layout is None:
        if not found:
            raise InputError(f"{root} holds no folder: it should hold one for each domain.")
        return found
    if layout not in DOMAIN_FOLDERS:
        raise InputError(f"There is no layout '{layout}': choose from {', '.join(DOMAIN_FOLDERS)}.")
    domains = DOMAIN_FOLDERS[layout].domains
    for domain in domains:
        if domain not in found:
            raise InputError(
                f"{root / domain} does not exist: the layout {layout} has the folders "
                f"{', '.join(domains)}."
            )
    return domains


def find_classes(root: str | os.PathLike[str], layout: str | None = None) -> tuple[str, ...]:
    """The classes of a folder, sorted: the folders that each of its domains has.

    Raises:
        InputError: a domain has other classes than the first, or they are not as many as the
            layout says.
    """
    root = Path(root)
    domains = find_domains(root, layout)
    classes = _folders(root / domains[0])
    if not classes:
        raise InputError(f"{root / domains[0]} holds no folder: it should hold one for each class.")
    for domain in domains[1:]:
        own = _folders(root / domain)
        if different := sorted(set(classes) ^ set(own)):
            lacking = domains[0] if different[0] in own else domain
            raise InputError(
                f"{root / lacking} has no folder '{different[0]}', which another domain has: every "
                "domain needs the same classes."
            )
    if layout is not None and len(classes) != DOMAIN_FOLDERS[layout].num_classes:
        raise InputError(
            f"{root / domains[0]} holds {len(classes)} classes, and {layout} has "
            f"{DOMAIN_FOLDERS[layout].num_classes}: unpack it again, or leave the layout out."
        )
    return classes


def list_domain(
    root: str | os.PathLike[str], domain: str, classes: tuple[str, ...], split: str = "all"
) -> list[tuple[Path, int]]:
    """The images of a domain with their classes' numbers, by class and name.

    Args:
        root: the folder of all domains.
        domain: one of its folders.
        classes: folders of the domain; a class's number is its place here.
        split: "all"; or "val", every tenth image of each class, or "train", the others.

    Raises:
        InputError: there is no such split or folder, or a class has no image.
    """
    if split not in SPLITS:
        raise InputError(f"There is no split '{split}': choose from {', '.join(SPLITS)}.")
    listed = []
    for number, name in enumerate(classes):
        folder = Path(root, domain, name)
        if not folder.is_dir():
            raise InputError(f"The folder {folder} does not exist: check data_root and domain.")
        images = [path for path in walk(folder) if is_image(path)]
        if not images:
            raise InputError(
                f"{folder} holds no image ({', '.join(IMAGE_SUFFIXES)}): every class of every "
                "domain needs some."
            )
        listed += [(path, number) for index, path in enumerate(images) if _is_in(split, index)]
    return listed


def _is_in(split: str, index: int) -> bool:
    is_val = index % VAL_EVERY == VAL_EVERY - 1
    return split == "all" or is_val == (split == "val")


def _folders(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise InputError(f"The folder {folder} does not exist: check data_root.")
    return tuple(
        sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    )
