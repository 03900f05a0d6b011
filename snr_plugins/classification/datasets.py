"""Domains as datasets of MMPretrain."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.dataset import ConcatDataset
from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from snr_plugins.data.domain_folders import find_classes, find_domains, list_domain
from snr_plugins.errors import InputError
from snr_plugins.openmmlab.whole_images import check_image

SOURCES = "sources"  # how the sources' validation parts are called in scores
# The class of an image without one: MMPretrain's ClsDataPreprocessor wants a number of every image
# of a batch, or of none.
UNLABELLED = -1


@DATASETS.register_module()
class DomainFolderDataset(BaseDataset):
    """One domain of a folder ``domain/class/image``, or some.

    Their images carry ``domain``: ``PackInputs(meta_keys=("img_path", "domain"))`` hands it on to
    `DomainAccuracy`.

    Args:
        data_root: the folder of all domains.
        domain: one of its folders, or a list of them.
        layout: a benchmark of `snr_plugins.data.domain_folders`, whose domains and number of
            classes are then checked: "pacs", "office_home", "digit_five".
        split: "all" images; or "val", every tenth of each class, or "train", the others.
        name: the domain under which all images are scored; by default each one's folder.
        labelled: False hands out ``UNLABELLED`` in place of every class, of a target to adapt to.
        pipeline, kwargs: MMPretrain's.

    Raises:
        InputError: a folder is missing or empty, or the domains' classes differ.
    """

    def __init__(
        self,
        data_root: str,
        domain: str | Sequence[str],
        layout: str | None = None,
        split: str = "all",
        name: str | None = None,
        labelled: bool = True,
        pipeline: Sequence = (),
        **kwargs: Any,
    ) -> None:
        data_root = os.path.expanduser(data_root)
        known = find_domains(data_root, layout)
        self._folders = [domain] if isinstance(domain, str) else list(domain)
        for folder in self._folders:
            if folder not in known:
                raise InputError(
                    f"{data_root} has no domain '{folder}': choose from {', '.join(known)}."
                )
        self._name = name
        self._labelled = labelled
        self.domain = name or ", ".join(self._folders)
        self.split = split
        options = {"ann_file": "", "classes": find_classes(data_root, layout), **kwargs}
        super().__init__(data_root=data_root, pipeline=[check_image, *pipeline], **options)

    def load_data_list(self) -> list[dict]:
        """MMEngine's: one dict for each image."""
        classes = self.metainfo["classes"]
        return [
            {
                "img_path": str(path),
                "gt_label": label if self._labelled else UNLABELLED,
                "domain": self._name or folder,
            }
            for folder in self._folders
            for path, label in list_domain(self.data_root, folder, classes, self.split)
        ]


class _Sources(NamedTuple):
    """What a stamp says of several sources together, and the name that they are scored under."""

    domain: str
    scored: str = SOURCES


@DATASETS.register_module()
class LeaveOneOutDataset(ConcatDataset):
    """All domains of a folder but one to train on, or what is tested then.

    To train on: nine of ten images of every domain but ``held_out``, a part each, for
    `DomainTurnsSampler`. To test: all images of the domain that is held out, and the sources' tenth
    that training leaves out, scored together as ``sources``. A network is chosen by the latter.

    Args:
        data_root, layout: as of `DomainFolderDataset`.
        held_out: the unseen domain.
        test_mode: False for what is trained on, True for what is tested.
        adapt: train on the held-out domain's images too, without their classes, the last part: a
            target to adapt to.
        pipeline: of every part.

    Raises:
        InputError: as `DomainFolderDataset`; or no domain is left to train on.
    """

    def __init__(
        self,
        data_root: str,
        held_out: str,
        layout: str | None = None,
        test_mode: bool = False,
        adapt: bool = False,
        pipeline: Sequence = (),
        lazy_init: bool = False,
    ) -> None:
        domains = find_domains(os.path.expanduser(data_root), layout)
        common: dict[str, Any] = dict(
            data_root=data_root,
            layout=layout,
            pipeline=pipeline,
            test_mode=test_mode,
        )
        if held_out not in domains:
            raise InputError(
                f"held_out is '{held_out}', and {data_root} has the domains {', '.join(domains)}: "
                "choose one of them."
            )
        sources = [domain for domain in domains if domain != held_out]
        if not sources:
            raise InputError(f"{data_root} holds one domain alone: none is left to train on.")
        if test_mode:
            parts = [
                dict(common, domain=held_out),
                dict(common, domain=sources, split="val", name=SOURCES),
            ]
        else:
            parts = [dict(common, domain=domain, split="train") for domain in sources]
        if adapt:
            parts.append(dict(common, domain=held_out, labelled=False))
        super().__init__([DomainFolderDataset(**part) for part in parts], lazy_init=lazy_init)
        if adapt:  # as `snr_plugins.openmmlab.source_target.adaptation_of` looks for them
            self.source = _Sources(", ".join(sources))
            self.target = self.datasets[-1]
