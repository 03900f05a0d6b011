"""How far the fog of tools/make_foggy.py is from true fog, on the synthetic city.

    python -m benchmarks.fog --out output/fog

Every street is drawn from both cameras; the disparity is then matched between the two pictures, so
that it has the holes and errors that matching makes. Writes fog.json and fog.jpg; with --save the
numbers also go to benchmarks/results/VERSION/fog.json, which the docs quote.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from benchmarks.saved import save
from snr_plugins.city import sensor
from snr_plugins.city.camera import BASELINE
from snr_plugins.city.files import encode_depth
from snr_plugins.city.palettes import CITIES
from snr_plugins.city.renderer import Renderer
from snr_plugins.city.street import build_street
from snr_plugins.city.writer import View
from snr_plugins.data.conditions import CONDITIONS
from snr_plugins.data.files import json_bytes, png_bytes, write_whole
from snr_plugins.data.fog import BETAS, read_rgb, write_foggy
from snr_plugins.data.stereo import complete_distance, read_camera, read_disparity
from snr_plugins.data.weather import add_fog, ray_length
from snr_plugins.errors import InputError

NEAREST = 0.0625  # share of the width that is searched: 3.7 m at any width


def match(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(H, W) uint16 as Cityscapes' disparity: OpenCV's semi-global matcher, holes and all."""
    block = 5
    matcher = cv2.StereoSGBM_create(
        minDisparity=0,
        numDisparities=max(16, round(NEAREST * left.shape[1] / 16) * 16),  # a multiple of 16
        blockSize=block,
        P1=8 * 3 * block**2,  # as its documentation advises for three colours
        P2=32 * 3 * block**2,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    found = matcher.compute(left[..., ::-1].copy(), right[..., ::-1].copy())  # sixteenths
    return np.where(found > 0, found.astype(np.int32) * 16 + 1, 0).astype(np.uint16)


def write_streets(root: Path, frames: int, seed: int, size: tuple[int, int]) -> list[View]:
    """Streets in Cityscapes' layout whose disparity was matched; ``depth`` is the truth."""
    written = []
    with Renderer(*size) as renderer:
        for index in tqdm(range(frames), unit="street"):
            frame = View(str(root), "val", index, seed, *size, ("clear",))
            cities = CITIES["val"]
            scene = build_street(frame.random(0), cities[index % len(cities)], *size)
            renderer.load(scene)
            labels = renderer.labels()
            left = sensor.clear_picture(renderer.clear(), frame.random(1))
            beside = dataclasses.replace(scene.camera, x=scene.camera.x + BASELINE)
            renderer.load(dataclasses.replace(scene, camera=beside))
            right = sensor.clear_picture(renderer.clear(), frame.random(2))
            contents = {
                "labelIds": png_bytes(_label_ids(labels.instance_ids)),
                "disparity": png_bytes(match(left, right)),
                "depth": png_bytes(encode_depth(labels.depth)),
                "camera": json_bytes(scene.camera.as_cityscapes()),
                "clear": png_bytes(left),
            }
            for kind, content in contents.items():
                write_whole(frame.paths()[kind], content)
            written.append(frame)
    return written


def _label_ids(instance_ids: np.ndarray) -> np.ndarray:
    return np.where(instance_ids >= 1000, instance_ids // 1000, instance_ids).astype(np.uint8)


def true_distance(frame: View) -> np.ndarray:
    """(H, W), metres; infinity for sky."""
    paths = frame.paths()
    depth = cv2.imread(str(paths["depth"]), cv2.IMREAD_UNCHANGED) / np.float32(100)
    intrinsic = json.loads(paths["camera"].read_text())["intrinsic"]
    return ray_length(np.where(depth > 0, depth, np.inf), **intrinsic)


def compare(frame: View) -> dict[str, dict[str, dict[str, float]]]:
    """Mean error of the transmittance, per way of completing, per beta, per part of the image."""
    paths = frame.paths()
    image, disparity = read_rgb(paths["clear"]), read_disparity(paths["disparity"])
    camera, truth = read_camera(paths["camera"]), true_distance(frame)
    sky = np.isinf(truth)
    depth = camera.baseline * camera.fx / disparity
    ways = {
        "completed": complete_distance(disparity, image, camera, sky),
        "completed, sky unknown": complete_distance(disparity, image, camera),
        "as matched, no fog in holes": ray_length(
            np.nan_to_num(depth, nan=0), camera.fx, camera.fy, camera.u0, camera.v0
        ),
    }
    holes = np.isnan(disparity) & ~sky
    parts = {"all": np.ones_like(sky), "holes": holes, "matched": ~holes & ~sky, "sky": sky}
    result: dict[str, dict[str, dict[str, float]]] = {}
    for way, distance in ways.items():
        result[way] = {}
        for beta in BETAS:
            error = np.abs(np.exp(-beta * distance) - np.exp(-beta * truth))
            result[way][str(beta)] = {
                name: float(error[part].mean()) for name, part in parts.items() if part.any()
            }
    return result


def mean_of(results: list[dict]) -> dict:
    """Mean over the frames, and the worst frame where a whole image is meant."""
    table: dict = {}
    for way in results[0]:
        for beta in results[0][way]:
            cells = {}
            for part in ("all", "holes", "matched", "sky"):
                values = [r[way][beta][part] for r in results if part in r[way][beta]]
                cells[part] = round(float(np.mean(values)), 4) if values else None
            cells["worst frame"] = round(max(r[way][beta]["all"] for r in results), 4)
            table.setdefault(way, {})[beta] = cells
    return table


def picture_errors(root: Path, frames: list[View]) -> dict[str, float]:
    """Mean difference of the foggy images from true fog, in grey levels of 255, per beta."""
    errors: dict[str, list[float]] = {str(beta): [] for beta in BETAS}
    for frame in frames:
        clear, truth = read_rgb(frame.paths()["clear"]), true_distance(frame)
        for beta in BETAS:
            made = read_rgb(_foggy(root, frame, beta)).astype(float)
            errors[str(beta)].append(np.abs(made - add_fog(clear, truth, beta)).mean())
    return {beta: round(float(np.mean(values)), 2) for beta, values in errors.items()}


def _foggy(root: Path, frame: View, beta: float) -> Path:
    return CONDITIONS[f"foggy_beta_{beta}"].path(root, frame.split, frame.city, frame.stem)


def write_picture(path: Path, root: Path, frames: list[View], beta: float, width: int) -> None:
    """Rows of frames: clear, matched disparity, transmittance completed and true, both fogs."""
    rows = []
    for frame in frames:
        paths = frame.paths()
        clear, truth = read_rgb(paths["clear"]), true_distance(frame)
        disparity, camera = read_disparity(paths["disparity"]), read_camera(paths["camera"])
        completed = complete_distance(disparity, clear, camera, np.isinf(truth))
        holes = np.isnan(disparity)
        shown = cv2.applyColorMap(
            np.clip(
                np.nan_to_num(disparity) * 255 / np.nanpercentile(disparity, 99), 0, 255
            ).astype(np.uint8),
            cv2.COLORMAP_VIRIDIS,
        )
        shown[holes] = 0
        cells = [
            ("clear", clear[..., ::-1]),
            ("disparity as matched, holes black", shown),
            ("transmittance, completed", _grey(np.exp(-beta * completed))),
            ("transmittance, true", _grey(np.exp(-beta * truth))),
            (f"fog of make_foggy, beta {beta}", read_rgb(_foggy(root, frame, beta))[..., ::-1]),
            (f"true fog, beta {beta}", add_fog(clear, truth, beta)[..., ::-1]),
        ]
        images = [_cell(text, cell, width) for text, cell in cells]
        rows += [np.hstack(images[i : i + 2]) for i in (0, 2, 4)]
    done, encoded = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done
    write_whole(path, encoded.tobytes())


def _grey(values: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.rint(values * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def _cell(text: str, image: np.ndarray, width: int) -> np.ndarray:
    size = (width, round(width * image.shape[0] / image.shape[1]))
    small = cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            small, text, (8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness, cv2.LINE_AA
        )
    return small


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("output/fog"))
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--width", type=int, default=2048, help="of the images in pixels")
    parser.add_argument("--height", type=int, default=1024, help="of the images in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="number of processes")
    parser.add_argument("--save", action="store_true", help="keep the measurement")
    args = parser.parse_args()
    root = args.out / "streets"
    size = (args.width, args.height)
    try:
        frames = write_streets(root, args.frames, args.seed, size)
        write_foggy(root, splits=["val"], workers=args.workers)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = [compare(frame) for frame in tqdm(frames, unit="street")]
    record = {
        "frames": args.frames,
        "size": f"{args.width}x{args.height}",
        "seed": args.seed,
        "transmittance error": mean_of(results),
        "picture error": picture_errors(root, frames),
    }
    (args.out / "fog.json").write_text(json.dumps(record, indent=1) + "\n")
    write_picture(args.out / "fog.jpg", root, frames[:2], 0.01, 512)
    if args.save:
        save(record, "fog")
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
