"""A tiny folder in Cityscapes' layout with instances that are known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 48, 96
ROAD = 7

# (instance id, first column, first row, last column, last row), painted in this order.
PAINTED = {
    "aachen_000000_000019": (
        (24000, 2, 10, 8, 30),  # person
        (26000, 20, 20, 39, 34),  # car, its right half hidden by the next one
        (26001, 30, 15, 49, 34),  # car
        (26, 60, 20, 79, 29),  # group of cars
        (24, 85, 5, 90, 9),  # group of persons
        (29000, 60, 35, 70, 40),  # caravan: not evaluated
        (33000, 10, 36, 14, 45),  # bicycle
        (24001, 93, 10, 93, 20),  # one column of a person: too thin to count
    ),
    "aachen_000001_000019": (),
    "bremen_000000_000019": (
        (31000, 0, 0, 95, 20),  # train, touching three borders
        (25000, 40, 30, 47, 47),  # rider
        (33, 0, 40, 5, 44),  # group of bicycles
        (200, 70, 30, 75, 35),  # an id that no class has
    ),
}

# aachen_000000_000019 by hand: category, box from first to last pixel, area; the groups apart.
AACHEN_INSTANCES = (
    (0, [2, 10, 8, 30], 7 * 21),
    (2, [20, 20, 29, 34], 10 * 15),
    (2, [30, 15, 49, 34], 20 * 20),
    (7, [10, 36, 14, 45], 5 * 10),
)
AACHEN_GROUPS = (
    (0, [85, 5, 90, 9], 6 * 5),
    (2, [60, 20, 79, 29], 20 * 10),
)

IMAGE_NAMES = {
    "clear": ("leftImg8bit", "_leftImg8bit.png"),
    "foggy_beta_0.005": ("leftImg8bit_foggy", "_leftImg8bit_foggy_beta_0.005.png"),
    "foggy_beta_0.01": ("leftImg8bit_foggy", "_leftImg8bit_foggy_beta_0.01.png"),
    "foggy_beta_0.02": ("leftImg8bit_foggy", "_leftImg8bit_foggy_beta_0.02.png"),
    "night": ("leftImg8bit_night", "_leftImg8bit_night.png"),
    "rain": ("leftImg8bit_rain", "_leftImg8bit_rain.png"),
}


def write_cityscapes_tree(
    root: Path,
    split: str = "val",
    conditions: tuple[str, ...] = ("clear",),
    painted: dict = PAINTED,
) -> Path:
    """Write all frames of ``painted`` under ``root``, each in all conditions; returns ``root``."""
    for stem, instances in painted.items():
        city = stem.split("_")[0]
        labels = root / "gtFine" / split / city
        labels.mkdir(parents=True, exist_ok=True)
        instance_ids = np.full((HEIGHT, WIDTH), ROAD, dtype=np.uint16)
        for instance_id, left, top, right, bottom in instances:
            instance_ids[top : bottom + 1, left : right + 1] = instance_id
        label_ids = np.where(instance_ids < 1000, instance_ids, instance_ids // 1000)
        Image.fromarray(instance_ids).save(labels / f"{stem}_gtFine_instanceIds.png")
        Image.fromarray(label_ids.astype(np.uint8)).save(labels / f"{stem}_gtFine_labelIds.png")
        polygons = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": []}
        (labels / f"{stem}_gtFine_polygons.json").write_text(json.dumps(polygons))
        for condition in conditions:
            folder, suffix = IMAGE_NAMES[condition]
            image = root / folder / split / city / f"{stem}{suffix}"
            image.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((HEIGHT, WIDTH, 3), 128, np.uint8)).save(image)
    return root


SKY = 23


def write_stereo_tree(root: Path) -> Path:
    """`write_cityscapes_tree` with what fog is made from: everything 20 m away but the sky.

    Grey 128; the sky, above row 10, brighter.
    """
    write_cityscapes_tree(root)
    camera = {
        "extrinsic": {"baseline": 0.2},
        "intrinsic": {"fx": 1000.0, "fy": 1000.0, "u0": WIDTH / 2 - 0.5, "v0": HEIGHT / 2 - 0.5},
    }
    for stem in PAINTED:
        city = stem.split("_")[0]
        for folder in ("disparity", "camera"):
            (root / folder / "val" / city).mkdir(parents=True, exist_ok=True)
        disparity = np.full((HEIGHT, WIDTH), 10 * 256 + 1, np.uint16)  # 0.2 * 1000 / 20
        Image.fromarray(disparity).save(root / "disparity/val" / city / f"{stem}_disparity.png")
        (root / "camera/val" / city / f"{stem}_camera.json").write_text(json.dumps(camera))
        image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        image[:10] = (210, 220, 230)
        image[:10, :20] = (150, 160, 170)  # a darker cloud
        Image.fromarray(image).save(root / "leftImg8bit/val" / city / f"{stem}_leftImg8bit.png")
        label = root / "gtFine/val" / city / f"{stem}_gtFine_labelIds.png"
        ids = np.asarray(Image.open(label)).copy()
        ids[:10] = SKY
        Image.fromarray(ids).save(label)
    return root


# Two frames of KITTI: the box of each object, floats as in the real files.
KITTI = {
    "000000": (
        ("Car", (10.5, 12.25, 40.0, 30.75)),
        ("Van", (50.0, 10.0, 80.0, 40.0)),
        ("DontCare", (0.0, 5.0, 8.0, 9.0)),
    ),
    "000001": (("Pedestrian", (3.0, 4.0, 9.0, 20.0)),),
}
# Sim10k: VOC's boxes, counted from 1.
SIM10K = {
    "3384645": (("car", (1, 1, 96, 48)), ("person", (5, 6, 7, 20))),
    "3384646": (("motorbike", (2, 2, 10, 10)),),
}


def write_kitti_tree(root: Path, objects: dict = KITTI) -> Path:
    """KITTI's layout; the second frame is smaller, as some of the real ones are."""
    (root / "training" / "image_2").mkdir(parents=True)
    (root / "training" / "label_2").mkdir(parents=True)
    for index, (stem, entries) in enumerate(objects.items()):
        image = np.full((HEIGHT - index, WIDTH - index, 3), 128, np.uint8)
        Image.fromarray(image).save(root / "training" / "image_2" / f"{stem}.png")
        lines = []
        for kind, box in entries:
            # DontCare has no place in space: KITTI writes -1, -10 and -1000 there
            rest = "-1 -1 -1 -1000 -1000 -1000 -10" if kind == "DontCare" else "1 1 1 2 2 20 0.1"
            head = "-1 -1 -10" if kind == "DontCare" else "0.00 0 -1.57"
            lines.append(f"{kind} {head} {' '.join(f'{value:.2f}' for value in box)} {rest}\n")
        (root / "training" / "label_2" / f"{stem}.txt").write_text("".join(lines))
    return root


def write_sim10k_tree(root: Path, objects: dict = SIM10K) -> Path:
    """Sim10k's layout, with the image sets that Detectron2's VOC loader asks for."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / "VOC2012" / folder).mkdir(parents=True)
    for stem, entries in objects.items():
        image = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 128, np.uint8))
        image.save(root / "VOC2012" / "JPEGImages" / f"{stem}.jpg")
        text = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for name, (left, top, right, bottom) in entries
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        path = root / "VOC2012" / "Annotations" / f"{stem}.xml"
        path.write_text(f"<annotation>{size}{text}</annotation>")
    names = "\n".join(objects) + "\n"
    (root / "VOC2012" / "ImageSets" / "Main" / "trainval.txt").write_text(names)
    return root
