"""Foggy Cityscapes from Cityscapes: its names, its layout, its three densities.

As Sakaridis, Dai and Van Gool (IJCV 2018, arXiv 1708.07819) put fog into stereo images: distance
from the completed disparity, the light of the fog from the image, the optical model of
`snr_plugins.data.weather`. They complete it in another way, so images differ in detail from theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from snr_plugins.data.conditions import BETAS, CONDITIONS, FOGGY, Condition
from snr_plugins.data.file_kinds import CAMERA, DISPARITY, LABEL_IDS
from snr_plugins.data.files import is_whole, png_bytes, read_ids, read_png_size, write_whole
from snr_plugins.data.frames import Frame, check_same_size, list_frames
from snr_plugins.data.labels import CITYSCAPES_IDS
from snr_plugins.data.stereo import complete_distance, read_camera, read_disparity
from snr_plugins.data.weather import add_fog, atmospheric_light
from snr_plugins.errors import InputError


@dataclass(frozen=True)
class Source:
    """What one foggy frame is made from; ``label`` may be missing."""

    city: str
    frame: Frame  # its label is the disparity
    camera: Path
    label: Path


def write_foggy(
    root: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    splits: Sequence[str] = ("train", "val"),
    betas: Sequence[float] = BETAS,
    workers: int = 1,
    progress: bool = True,
) -> tuple[int, int]:
    """Write ``leftImg8bit_foggy`` for a folder in Cityscapes' layout.

    Needs ``leftImg8bit``, ``disparity`` and ``camera``; where ``gtFine`` has the frame's labels,
    the sky is taken from there. Files that exist and are whole are left alone, so a call that was
    stopped can be repeated; images that were published are never replaced.

    Args:
        root: the folder that holds ``leftImg8bit``.
        out: the folder to write ``leftImg8bit_foggy`` to; ``root`` where None.
        splits: folders below ``leftImg8bit``.
        betas: attenuation per metre, among `snr_plugins.data.conditions.BETAS`.
        workers: number of processes; 1 stays in this one. More than one starts new interpreters,
            so a script must guard its own entry with ``if __name__ == "__main__"``.
        progress: show a progress bar on stderr.

    Returns:
        Number of frames, and how many of them have no label to tell the sky.

    Raises:
        InputError: before anything is written, if a folder or file is missing or an argument out
            of range; later, if a file is damaged or cannot be written.
    """
    root, out = Path(root), Path(out or root)
    unknown = [beta for beta in betas if beta not in BETAS]
    if unknown:
        raise InputError(f"Unknown beta {unknown[0]}: choose from {', '.join(map(str, BETAS))}.")
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more.")
    fogs = [CONDITIONS[name] for name in FOGGY if CONDITIONS[name].beta in betas]
    jobs = [(split, source) for split in splits for source in _sources(root, split)]
    missing = [
        (source, targets)
        for split, source in jobs
        if (targets := _missing(out, split, source, fogs))
    ]
    bar = tqdm(
        total=len(jobs), initial=len(jobs) - len(missing), unit="frame", disable=not progress
    )
    with bar:
        for _ in _in_processes(missing, workers):
            bar.update()
    return len(jobs), sum(not source.label.is_file() for _, source in jobs)


def _sources(root: Path, split: str) -> list[Source]:
    frames = list_frames(
        root,
        split,
        CONDITIONS["clear"],
        DISPARITY,
        nested=True,
        hint="unpack Cityscapes' packages of left images and of disparity there",
    )
    sources = []
    for frame in frames:
        city = frame.image.parent.name
        camera = CAMERA.path(root, split, city, frame.stem)
        if not camera.is_file():
            raise InputError(
                f"{frame.image} has no camera file {camera}: unpack Cityscapes' package of cameras."
            )
        label = LABEL_IDS.path(root, split, city, frame.stem)
        sources.append(Source(city, frame, camera, label))
    return sources


def _missing(
    out: Path, split: str, source: Source, fogs: Sequence[Condition]
) -> list[tuple[float, Path]]:
    paths = [(fog.beta, fog.path(out, split, source.city, source.frame.stem)) for fog in fogs]
    return [(beta, path) for beta, path in paths if beta is not None and not is_whole(path)]


def _in_processes(
    jobs: list[tuple[Source, list[tuple[float, Path]]]], workers: int
) -> Iterator[None]:
    if workers == 1 or len(jobs) < 2:
        yield from map(_write, jobs)
        return
    start = partial(cv2.setNumThreads, 1)
    with ProcessPoolExecutor(workers, get_context("spawn"), start) as pool:
        try:
            yield from pool.map(_write, jobs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write(job: tuple[Source, list[tuple[float, Path]]]) -> None:
    source, targets = job
    image = read_rgb(source.frame.image)
    distance = distance_of(source, image)
    light = atmospheric_light(image)
    for beta, path in targets:
        write_whole(path, png_bytes(add_fog(image, distance, beta, light)))


def distance_of(source: Source, image: np.ndarray) -> np.ndarray:
    """(H, W) float32 in metres: the completed distance of a frame."""
    path, size = source.frame.image, image.shape[:2]
    disparity, sky = read_disparity(source.frame.label), None
    check_same_size(path, size, source.frame.label, disparity.shape)
    if source.label.is_file():
        sky = read_ids(source.label) == CITYSCAPES_IDS["sky"]
        check_same_size(path, size, source.label, sky.shape)
    return complete_distance(disparity, image, read_camera(source.camera), sky)


def read_rgb(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a PNG that is whole.

    Raises:
        InputError: it is not.
    """
    read_png_size(path)
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path} is damaged: copy or download it again.")
    return image[..., ::-1]
