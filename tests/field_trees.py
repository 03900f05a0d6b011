"""Tiny trees of Diverse Weather, BDD100K, Mapillary Vistas, ACDC and RTTS, as they are unpacked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 36, 64

# Diverse Weather: name and box of each object, as VOC counts them; -1 and fractions occur.
BDD_OBJECTS = (
    ("car", (-1, -1, 20.5, 18.25)),
    ("motor", (5.0, 6.0, 9.0, 12.0)),
    ("traffic light", (1, 1, 3, 3)),
)
OUTER = {
    "daytime_clear": "Daytime_Sunny",
    "night_sunny": "Night-Sunny",
    "dusk_rainy": "Dusk-rainy",
    "night_rainy": "Night_rainy",
    "daytime_foggy": "Daytime-Foggy",
}


def write_jpeg(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (128, 128, 128)).save(path)
    return path


def write_labels(path: Path, ids: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(ids.astype(np.uint8)).save(path)
    return path


def voc_xml(objects: tuple, size: tuple[int, int] | None = None, rewritten: bool = False) -> str:
    """As Diverse Weather has its frames of BDD100K; with ``size``, its other frames."""
    more = "<pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"
    entries = "".join(
        f"<object><name>{name}</name>{more if size or rewritten else ''}<bndbox>"
        f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object>"
        for name, (left, top, right, bottom) in objects
    )
    if size:
        head = f"<folder>x</folder><size><width>{size[0]}</width><height>{size[1]}</height></size>"
    else:
        head = "<attributes><weather>clear</weather><timeofday>daytime</timeofday></attributes>"
    return f"<annotation><filename>x.jpg</filename>{head}{entries}</annotation>"


def write_diverse_weather(
    root: Path, nested: bool = False, spelt=str, objects: tuple = BDD_OBJECTS
) -> Path:
    """Three frames a domain; of clear days one is trained on and one tested on.

    Args:
        root: the dataset's folder.
        nested: as the archives unpack, else as most code has them.
        spelt: what is made of a folder's name.
        objects: of the first frame; the second has ``<size>`` and one bus, the third no object.
    """
    for name, outer in OUTER.items():
        folder = root / outer / spelt(name) if nested else root / spelt(name)
        voc = folder / "VOC2007"
        for stem, text in (
            ("a-1", voc_xml(objects)),
            ("rain_storm-2", voc_xml((("bus", (2, 3, 10, 12)),), (WIDTH, HEIGHT))),
            ("c-3", voc_xml(())),
        ):
            write_jpeg(voc / "JPEGImages" / f"{stem}.jpg")
            (voc / "Annotations").mkdir(exist_ok=True)
            (voc / "Annotations" / f"{stem}.xml").write_text(text)
        lists = voc / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        if name == "daytime_clear":
            (lists / "train.txt").write_text("a-1\nc-3\n")
            (lists / "test.txt").write_text("rain_storm-2 \n\n")
        else:
            (lists / "train.txt").write_text("a-1\nrain_storm-2\nc-3\n")
            (lists / "test.txt").write_text("c-3\n")
    return root


# BDD100K: of each frame the time of day and its objects, by the names of 2020
BDD_FRAMES = {
    "b1c66a42-6f7d68ca": (
        "daytime",
        (
            ("car", (1.5, 2.25, 20.0, 12.0)),
            ("pedestrian", (30.0, 4.0, 36.0, 20.0)),
            ("other vehicle", (40.0, 4.0, 50.0, 20.0)),
            ("traffic sign", (2.0, 2.0, 4.0, 4.0)),
        ),
    ),
    "b1c81faa-3df17267": ("night", (("bicycle", (10.0, 10.0, 30.0, 30.0)),)),
    "b1ca2e5d-84cf9134": ("daytime", ()),
}
NAMES_OF_2018 = {
    "pedestrian": "person",
    "motorcycle": "motor",
    "bicycle": "bike",
    "other vehicle": "car",
}


def bdd_labels(frames: dict = BDD_FRAMES, old: bool = False) -> list[dict]:
    """The content of a label file; that of 2018 has lanes and areas among the objects."""
    content = []
    for stem, (time_of_day, objects) in frames.items():
        labels: list[dict] = [
            {
                "id": str(index),
                "category": NAMES_OF_2018.get(category, category) if old else category,
                "attributes": {"occluded": False, "truncated": False, "trafficLightColor": "NA"},
                "box2d": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
            }
            for index, (category, box) in enumerate(objects)
        ]
        if old:
            labels.append({"category": "drivable area", "poly2d": [{"vertices": [[0, 0], [9, 9]]}]})
            labels.append({"category": "lane", "attributes": {}, "poly2d": []})
        attributes = {"weather": "clear", "scene": "city street", "timeofday": time_of_day}
        entry = {"name": f"{stem}.jpg", "attributes": attributes, "timestamp": 10000}
        # 2020 leaves the key out where nothing is labelled
        content.append({**entry, "labels": labels} if labels else entry)
    return content


def write_bdd100k(root: Path, split: str = "val", frames: dict = BDD_FRAMES) -> Path:
    """Images, the label file of 2020 and that of 2018."""
    for stem in frames:
        write_jpeg(root / "images" / "100k" / split / f"{stem}.jpg")
    (root / "labels" / "det_20").mkdir(parents=True, exist_ok=True)
    new = root / "labels" / "det_20" / f"det_{split}.json"
    new.write_text(json.dumps(bdd_labels(frames)))
    old = root / "labels" / f"bdd100k_labels_images_{split}.json"
    old.write_text(json.dumps(bdd_labels(frames, old=True)))
    return root


def write_bdd100k_seg(root: Path, ids: np.ndarray, tree: str = "new", split: str = "val") -> Path:
    """``new``, ``old`` or ``old, from within``."""
    size = ids.shape[::-1]
    if tree == "new":
        write_jpeg(root / "images/10k" / split / "7d06fefd-f7be05a6.jpg", size)
        write_labels(root / "labels/sem_seg/masks" / split / "7d06fefd-f7be05a6.png", ids)
    else:
        seg = root / "seg" if tree == "old" else root
        write_jpeg(seg / "images" / split / "7d06fefd-f7be05a6.jpg", size)
        write_labels(seg / "labels" / split / "7d06fefd-f7be05a6_train_id.png", ids)
    return root


def write_mapillary(
    root: Path, ids: np.ndarray, labels: str = "labels", split: str = "validation"
) -> Path:
    """``labels``: ``labels`` or, in the newer archive, ``v1.2/labels`` beside ``v2.0/labels``."""
    write_jpeg(root / split / "images" / "_1Gn_xkw7sa.jpg", ids.shape[::-1])
    path = root / split / labels / "_1Gn_xkw7sa.png"
    path.parent.mkdir(parents=True)
    image = Image.fromarray(ids.astype(np.uint8), mode="P")
    image.putpalette([value for index in range(256) for value in (255 - index, index // 2, 7)])
    image.save(path)
    return root


def write_acdc(root: Path, condition: str, ids: np.ndarray, split: str = "val") -> Path:
    stem = f"GP010376/GP010376_frame_000{len(condition)}54"
    write_jpeg(root / "rgb_anon" / condition / split / f"{stem}_rgb_anon.png", ids.shape[::-1])
    if split != "test":
        folder = root / "gt" / condition / split
        write_labels(folder / f"{stem}_gt_labelIds.png", ids)
        write_labels(folder / f"{stem}_gt_labelTrainIds.png", ids * 0)
        write_labels(folder / f"{stem}_gt_invIds.png", ids * 0)
    return root


RTTS_OBJECTS = (
    ("person", (1, 1, 10, 20)),
    ("motorbike", (5, 6, 30, 30)),
    ("bicycle", (40, 6, 60, 30)),
)


def write_rtts(root: Path, objects: tuple = RTTS_OBJECTS) -> Path:
    write_jpeg(root / "JPEGImages" / "AM_Bing_211.png")
    (root / "Annotations").mkdir(parents=True)
    (root / "Annotations" / "AM_Bing_211.xml").write_text(voc_xml(objects, (WIDTH, HEIGHT)))
    return root
