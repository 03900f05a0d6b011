"""Writes the synthetic city to disk in the layout of Cityscapes, and goes on where it stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from snr_plugins.city import sensor
from snr_plugins.city.camera import BASELINE, Camera
from snr_plugins.city.files import CENTIMETRES, encode_depth, encode_disparity, polygons
from snr_plugins.city.palettes import CITIES
from snr_plugins.city.renderer import Labels, Renderer, create_context
from snr_plugins.city.street import build_street
from snr_plugins.data.conditions import CONDITIONS, FOGGY
from snr_plugins.data.file_kinds import (
    CAMERA,
    DEPTH,
    DISPARITY,
    INSTANCE_IDS,
    LABEL_IDS,
    POLYGONS,
    FileKind,
)
from snr_plugins.data.files import is_whole, json_bytes, png_bytes, write_whole
from snr_plugins.data.weather import add_fog, ray_length
from snr_plugins.errors import InputError

VERSION = 1  # raise it whenever the same seed gives other pictures
# What can be asked for, and the conditions that come with it: fog comes in all its densities.
WEATHERS = {"clear": ("clear",), "foggy": FOGGY, "night": ("night",), "rain": ("rain",)}
SPLITS = ("train", "val")
FRAME = 19  # Cityscapes annotates the 20th frame of each snippet


@dataclass(frozen=True)
class View:
    """One street as it is drawn and written.

    Its content depends on seed, split, index and size, and on nothing else.
    """

    root: str
    split: str
    index: int
    seed: int
    width: int
    height: int
    weathers: tuple[str, ...]

    @property
    def city(self) -> str:
        """Name of the city that the street lies in."""
        cities = CITIES[self.split]
        return cities[self.index % len(cities)].name

    @property
    def stem(self) -> str:
        """What the names of all its files begin with."""
        return f"{self.city}_{self.index // len(CITIES[self.split]):06d}_{FRAME:06d}"

    def paths(self) -> dict[str, Path]:
        """All its files by kind, in the order in which they are written."""
        kinds: dict[str, FileKind] = {
            "instanceIds": INSTANCE_IDS,
            "labelIds": LABEL_IDS,
            "polygons": POLYGONS,
            "disparity": DISPARITY,
            "depth": DEPTH,
            "camera": CAMERA,
        }
        for weather, names in WEATHERS.items():
            if weather in self.weathers and weather != "clear":
                kinds |= {name: CONDITIONS[name] for name in names}
        # The clear image is last: where it exists, the frame was finished.
        kinds["clear"] = CONDITIONS["clear"]
        return {
            name: kind.path(self.root, self.split, self.city, self.stem)
            for name, kind in kinds.items()
        }

    def random(self, purpose: int) -> np.random.Generator:
        """Randomness of its own: 0 for the scene, others for the noise of each condition."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), self.index, purpose])


def write_city(
    out: str | os.PathLike[str],
    train: int,
    val: int,
    seed: int,
    conditions: Sequence[str] = tuple(WEATHERS),
    size: tuple[int, int] = (512, 256),
    workers: int = 1,
    progress: bool = True,
) -> None:
    """Write a synthetic city in the layout of Cityscapes.

    The same arguments give the same bytes, whatever the number of workers. Files that exist and
    are whole are left alone, so a call that was stopped can be repeated, and a later call can add
    frames or conditions.

    Besides Cityscapes' own folders there is ``depth``: 16-bit PNG, centimetres along the optical
    axis, 0 for sky. Labels of all conditions are those of ``gtFine``.

    Args:
        out: folder to write to; made if missing.
        train, val: number of frames of each split.
        seed: non-negative.
        conditions: which of ``WEATHERS``; the clear image is always written.
        size: (width, height) in pixels.
        workers: number of processes; 1 stays in this one. More than one starts new interpreters,
            so a script must guard its own entry with ``if __name__ == "__main__"``.
        progress: show a progress bar on stderr.

    Raises:
        InputError: OpenGL is missing, an argument is out of range, or the folder holds a city of
            another seed, size or version.
    """
    _check_arguments(train, val, seed, conditions, size, workers)
    root = Path(out)
    views = [
        View(str(root), split, index, seed, *size, tuple(conditions))
        for split, count in (("train", train), ("val", val))
        for index in range(count)
    ]
    _claim(root, seed, size)
    missing = [v for v in views if not all(is_whole(path) for path in v.paths().values())]
    with tqdm(
        total=len(views), initial=len(views) - len(missing), unit="frame", disable=not progress
    ) as bar:
        for _ in _write_views(missing, workers):
            bar.update()


def _check_arguments(
    train: int,
    val: int,
    seed: int,
    conditions: Sequence[str],
    size: tuple[int, int],
    workers: int,
) -> None:
    for name, value, least in (
        ("train", train, 0),
        ("val", val, 0),
        ("seed", seed, 0),
        ("workers", workers, 1),
        ("width", size[0], 32),
        ("height", size[1], 32),
    ):
        if value < least:
            raise InputError(f"{name} is {value}: give {least} or more.")
    for name in conditions:
        if name not in WEATHERS:
            raise InputError(f"Unknown condition {name!r}: choose from {', '.join(WEATHERS)}.")


def _claim(root: Path, seed: int, size: tuple[int, int]) -> None:
    """Record what the folder holds, or refuse a folder that holds something else."""
    record = {"seed": seed, "width": size[0], "height": size[1], "version": VERSION}
    path = root / "city.json"
    if not path.exists():
        write_whole(path, json_bytes(record))
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: delete the folder or choose another.") from error
    if found != record:
        known = found if isinstance(found, dict) else {}
        differing = [key for key in record if known.get(key) != record[key]]
        raise InputError(
            f"{root} already holds a city of another {' and '.join(differing)} ({path}: {found}): "
            "choose another folder or delete this one."
        )


def _write_views(views: list[View], workers: int) -> Iterator[None]:
    if not views:
        return
    if workers == 1:
        for view in views:
            write_view(view)
            yield
        return
    # A missing driver must be told once, here, and not by each worker. New interpreters, because
    # an OpenGL context does not survive a fork.
    create_context().release()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _one_thread_each) as pool:
        try:
            yield from pool.map(write_view, views)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _one_thread_each() -> None:
    """Keep Mesa's software rasteriser and OpenCV from starting a thread per core per worker."""
    import cv2

    os.environ["LP_NUM_THREADS"] = "0"
    cv2.setNumThreads(1)


_renderers: dict[tuple[int, int], Renderer] = {}


def write_view(view: View) -> None:
    """Draw one street and write those of its files that are missing."""
    size = (view.width, view.height)
    if size not in _renderers:
        _renderers[size] = Renderer(*size)
    cities = CITIES[view.split]
    scene = build_street(view.random(0), cities[view.index % len(cities)], *size)
    missing = {kind: path for kind, path in view.paths().items() if not is_whole(path)}
    with _renderers[size] as renderer:
        renderer.load(scene)
        labels = renderer.labels()
        picture = sensor.clear_picture(renderer.clear(), view.random(1))
        contents = _label_contents(labels, scene.camera) | {"clear": lambda: png_bytes(picture)}
        contents |= _fog_contents(picture, encode_depth(labels.depth), scene.camera)
        contents["night"] = lambda: png_bytes(
            sensor.night_picture(renderer.night(), view.random(2))
        )
        contents["rain"] = lambda: png_bytes(
            sensor.rain_picture(renderer.rain(), labels.depth, view.random(3))
        )
        for kind, path in missing.items():
            write_whole(path, contents[kind]())


def _label_contents(labels: Labels, camera: Camera) -> dict[str, Callable[[], bytes]]:
    """How to make each file that tells what is seen where."""
    ids = labels.instance_ids
    classes = np.where(ids >= 1000, ids // 1000, ids).astype(np.uint8)
    return {
        "instanceIds": lambda: png_bytes(ids),
        "labelIds": lambda: png_bytes(classes),
        "polygons": lambda: json_bytes(polygons(ids, labels.depth)),
        "disparity": lambda: png_bytes(encode_disparity(labels.depth, camera, BASELINE)),
        "depth": lambda: png_bytes(encode_depth(labels.depth)),
        "camera": lambda: json_bytes(camera.as_cityscapes()),
    }


def _fog_contents(
    picture: np.ndarray, depth_png: np.ndarray, camera: Camera
) -> dict[str, Callable[[], bytes]]:
    """How to make the foggy files: from what the other files hold, so that anyone can."""
    metres = np.where(depth_png > 0, depth_png / np.float32(CENTIMETRES), np.inf)
    distance = ray_length(metres, **camera.as_cityscapes()["intrinsic"])

    def content(beta: float) -> bytes:
        return png_bytes(add_fog(picture, distance, beta))

    return {name: partial(content, CONDITIONS[name].beta) for name in FOGGY}
