"""The synthetic city: files, labels and geometry, at a very small size."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from snr_plugins.city import write_city
from snr_plugins.city.label_ids import Label
from snr_plugins.city.renderer import create_context
from snr_plugins.data.files import write_whole
from snr_plugins.data.labels import CITYSCAPES_IDS
from snr_plugins.data.weather import add_fog
from snr_plugins.errors import InputError

SIZE = (128, 64)
THINGS = {24, 25, 26, 27, 28, 31, 32, 33}
ROOT = Path(__file__).parents[2]


def _egl_missing() -> str | None:
    try:
        create_context().release()
    except InputError as error:
        return str(error)
    return None


MISSING = _egl_missing()
needs_egl = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> Path:
    if MISSING is not None:
        pytest.skip(MISSING)
    root = tmp_path_factory.mktemp("city")
    write_city(root, 20, 4, seed=3, size=SIZE, progress=False)
    return root


def stems(city: Path) -> list[tuple[str, str]]:
    """("train/aldermoor", "aldermoor_000000_000019") and so on."""
    return [
        (str(path.parent.relative_to(city / "leftImg8bit")), path.name[: -len("_leftImg8bit.png")])
        for path in sorted((city / "leftImg8bit").rglob("*.png"))
    ]


def test_every_frame_has_every_file(city):
    frames = stems(city)
    assert len(frames) == 24
    assert len([where for where, _ in frames if where.startswith("train")]) == 20
    for where, stem in frames:
        assert stem == f"{Path(where).name}_{stem.split('_')[1]}_000019"
        for folder, suffix in (
            ("gtFine", "gtFine_instanceIds.png"),
            ("gtFine", "gtFine_labelIds.png"),
            ("gtFine", "gtFine_polygons.json"),
            ("disparity", "disparity.png"),
            ("depth", "depth.png"),
            ("camera", "camera.json"),
            ("leftImg8bit_foggy", "leftImg8bit_foggy_beta_0.005.png"),
            ("leftImg8bit_foggy", "leftImg8bit_foggy_beta_0.01.png"),
            ("leftImg8bit_foggy", "leftImg8bit_foggy_beta_0.02.png"),
            ("leftImg8bit_night", "leftImg8bit_night.png"),
            ("leftImg8bit_rain", "leftImg8bit_rain.png"),
        ):
            assert (city / folder / where / f"{stem}_{suffix}").is_file()
    train = {where for where, _ in frames if where.startswith("train")}
    val = {where for where, _ in frames if where.startswith("val")}
    assert not {Path(w).name for w in train} & {Path(w).name for w in val}
    assert not list(city.rglob("*.partial"))


def test_label_ids_are_the_classes_of_the_instance_ids(city):
    for where, stem in stems(city):
        instances = read(city / "gtFine" / where / f"{stem}_gtFine_instanceIds.png")
        labels = read(city / "gtFine" / where / f"{stem}_gtFine_labelIds.png")
        assert instances.dtype == np.uint16
        assert labels.dtype == np.uint8
        assert instances.shape == labels.shape == SIZE[::-1]
        things = instances >= 1000
        assert np.array_equal(labels[things], instances[things] // 1000)
        assert np.array_equal(labels[~things], instances[~things])
        assert set(np.unique(labels[things])) <= THINGS
        assert not set(np.unique(labels[~things])) & THINGS


def test_the_city_uses_every_class_of_cityscapes_table_by_its_name():
    assert {label.text: int(label) for label in Label} == CITYSCAPES_IDS


def test_things_are_told_apart(city):
    """A car covers a limited range of depth; cars under one id would spread along the street."""
    most = 0
    for where, stem in stems(city):
        instances = read(city / "gtFine" / where / f"{stem}_gtFine_instanceIds.png")
        depth = read(city / "depth" / where / f"{stem}_depth.png") / 100.0
        cars = np.unique(instances[instances // 1000 == 26])
        most = max(most, len(cars))
        for value in cars:
            assert np.ptp(depth[instances == value]) < 6
    assert most >= 4


def test_all_eight_classes_occur_and_are_seen(city):
    seen = set()
    for where, stem in stems(city):
        labels = read(city / "gtFine" / where / f"{stem}_gtFine_labelIds.png")
        seen |= {label for label in THINGS if (labels == label).sum() >= 15}
    assert seen == THINGS


def test_disparity_and_depth_agree_through_the_camera(city):
    for where, stem in stems(city):
        raw = read(city / "disparity" / where / f"{stem}_disparity.png")
        depth = read(city / "depth" / where / f"{stem}_depth.png") / 100.0
        camera = json.loads((city / "camera" / where / f"{stem}_camera.json").read_text())
        sky = read(city / "gtFine" / where / f"{stem}_gtFine_labelIds.png") == 23
        assert np.array_equal(raw == 0, sky)
        assert np.array_equal(depth == 0, sky)
        disparity = (raw[~sky].astype(float) - 1) / 256
        constant = camera["extrinsic"]["baseline"] * camera["intrinsic"]["fx"]
        # Half a step of the disparity and half a centimetre of depth are lost in rounding.
        rounding = 0.5 / 256 + constant / depth[~sky] ** 2 * 0.006
        assert (np.abs(disparity - constant / depth[~sky]) <= rounding).all()


def test_road_lies_where_a_level_plane_is_seen(city):
    for where, stem in stems(city):
        depth = read(city / "depth" / where / f"{stem}_depth.png") / 100.0
        road = read(city / "gtFine" / where / f"{stem}_gtFine_labelIds.png") == 7
        camera = json.loads((city / "camera" / where / f"{stem}_camera.json").read_text())
        height, pitch = camera["extrinsic"]["z"], camera["extrinsic"]["pitch"]
        fy, v0 = camera["intrinsic"]["fy"], camera["intrinsic"]["v0"]
        horizon = v0 - fy * np.tan(pitch)
        rows = np.flatnonzero(road.any(axis=1) & (np.arange(SIZE[1]) > horizon + 4))
        assert len(rows) > 10
        for v in rows:
            expected = height * fy / (np.cos(pitch) * (v - horizon))
            # Markings and rails lie up to 5 mm above the ground: 0.4 % of the camera's height.
            assert np.allclose(depth[v][road[v]], expected, rtol=0.006, atol=0.01)


def test_cars_stand_on_the_road(city):
    """Below the lowest pixel of a car the road is about as far away as the car.

    A body at most 0.35 m above the ground hides the road, for a camera at 1.2 m or more, up to
    1.2 / (1.2 - 0.35) = 1.41 times its own distance; one row of pixels more or less at 15 m is
    15 m / (1.2 m * 141 px) = 9 % of the distance.
    """
    checked = 0
    for where, stem in stems(city):
        depth = read(city / "depth" / where / f"{stem}_depth.png") / 100.0
        instances = read(city / "gtFine" / where / f"{stem}_gtFine_instanceIds.png")
        for value in np.unique(instances[instances // 1000 == 26]):
            rows, columns = np.nonzero(instances == value)
            v, u = rows[rows.argmax()], columns[rows.argmax()]
            if v + 1 < SIZE[1] and instances[v + 1, u] == 7 and depth[v, u] < 15:
                checked += 1
                assert 0.9 < depth[v + 1, u] / depth[v, u] < 1.41 * 1.09
    assert checked > 5


def test_fog_can_be_made_again_from_the_files(city):
    where, stem = stems(city)[0]
    clear = read(city / "leftImg8bit" / where / f"{stem}_leftImg8bit.png")[..., ::-1]
    depth = read(city / "depth" / where / f"{stem}_depth.png") / 100.0
    k = json.loads((city / "camera" / where / f"{stem}_camera.json").read_text())["intrinsic"]
    v, u = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    ray = np.sqrt(((u - k["u0"]) / k["fx"]) ** 2 + ((v - k["v0"]) / k["fy"]) ** 2 + 1)
    distance = np.where(depth > 0, depth * ray, np.inf)
    for beta in (0.005, 0.01, 0.02):
        path = city / "leftImg8bit_foggy" / where / f"{stem}_leftImg8bit_foggy_beta_{beta}.png"
        difference = read(path)[..., ::-1].astype(int) - add_fog(clear, distance, beta).astype(int)
        assert np.abs(difference).max() <= 1


def test_night_and_rain_are_darker_and_duller_than_day(city):
    mean = {}
    for name in ("", "_night", "_rain"):
        images = [read(path) for path in sorted((city / f"leftImg8bit{name}").rglob("*.png"))]
        mean[name] = np.mean(images)
    assert mean["_night"] < 0.5 * mean[""]
    assert mean["_rain"] < mean[""]


def test_polygons_cover_what_they_name(city):
    for where, stem in stems(city)[:6]:
        content = json.loads((city / "gtFine" / where / f"{stem}_gtFine_polygons.json").read_text())
        assert (content["imgWidth"], content["imgHeight"]) == SIZE
        ids = {"road": 7, "car": 26, "sky": 23, "building": 11}
        painted = np.zeros(SIZE[::-1], np.uint8)
        for entry in content["objects"]:
            outline = np.array(entry["polygon"], np.int32)
            cv2.fillPoly(painted, [outline], ids.get(entry["label"], 255))
        labels = read(city / "gtFine" / where / f"{stem}_gtFine_labelIds.png")
        named = np.isin(labels, list(ids.values()))
        assert (painted[named] == labels[named]).mean() > 0.9


@needs_egl
def test_same_seed_same_bytes_for_one_and_two_workers(tmp_path):
    for workers in (1, 2):
        write_city(
            tmp_path / str(workers), 3, 1, seed=5, size=SIZE, workers=workers, progress=False
        )
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    write_city(tmp_path / "other", 3, 1, seed=6, size=SIZE, progress=False)
    changed, same = digests(tmp_path / "other"), digests(tmp_path / "1")
    assert all(changed[name] != same[name] for name in same if "leftImg8bit" in name)


@needs_egl
def test_a_second_call_mends_and_adds_and_touches_nothing_else(tmp_path):
    write_city(tmp_path, 2, 0, seed=1, conditions=("clear",), size=SIZE, progress=False)
    assert not (tmp_path / "leftImg8bit_night").exists()
    first = digests(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*") if path.is_file()}

    deleted = next((tmp_path / "depth").rglob("*.png"))
    cut_short = next((tmp_path / "leftImg8bit").rglob("*.png"))
    cut_json = next((tmp_path / "gtFine").rglob("*.json"))
    deleted.unlink()
    for path in (cut_short, cut_json):
        path.write_bytes(path.read_bytes()[:-20])
    write_city(tmp_path, 2, 0, seed=1, conditions=("clear",), size=SIZE, progress=False)
    assert digests(tmp_path) == first
    rewritten = {path for path, before in times.items() if path.stat().st_mtime_ns != before}
    assert rewritten == {deleted, cut_short, cut_json}

    write_city(tmp_path, 3, 1, seed=1, conditions=("clear", "night"), size=SIZE, progress=False)
    more = digests(tmp_path)
    assert {name: more[name] for name in first} == first
    assert len(list((tmp_path / "leftImg8bit_night").rglob("*.png"))) == 4


@needs_egl
def test_a_folder_of_another_seed_or_size_is_refused(tmp_path):
    write_city(tmp_path, 1, 0, seed=1, conditions=("clear",), size=SIZE, progress=False)
    before = digests(tmp_path)
    with pytest.raises(InputError, match="another seed"):
        write_city(tmp_path, 1, 0, seed=2, conditions=("clear",), size=SIZE, progress=False)
    with pytest.raises(InputError, match="another width and height"):
        write_city(tmp_path, 1, 0, seed=1, conditions=("clear",), size=(64, 32), progress=False)
    assert digests(tmp_path) == before


@needs_egl
def test_a_killed_run_leaves_no_half_file_under_a_final_name(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "make_synthetic_city.py"), "--out",
               str(tmp_path / "killed"), "--train", "40", "--val", "0", "--seed", "5",
               "--width", "128", "--height", "64"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 40
        while time.monotonic() < until and process.poll() is None:
            if len(list((tmp_path / "killed").rglob("*_leftImg8bit.png"))) >= 2:
                break
            time.sleep(0.02)
        assert process.poll() is None, "the run ended before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    write_city(tmp_path / "whole", 40, 0, seed=5, size=SIZE, conditions=("clear",), progress=False)
    whole = digests(tmp_path / "whole")
    for name, digest in digests(tmp_path / "killed").items():
        if name in whole:
            assert digest == whole[name]
        elif not name.endswith(".partial"):
            assert read(tmp_path / "killed" / name).shape[:2] == SIZE[::-1]


def test_a_file_is_replaced_and_never_written_into(tmp_path):
    """A second link to the old file keeps the old content only if the new one came by renaming."""
    path, link = tmp_path / "file.json", tmp_path / "link.json"
    path.write_bytes(b"old")
    os.link(path, link)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert link.read_bytes() == b"old"


def test_a_failed_write_leaves_nothing(tmp_path):
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(InputError, match="taken"):
        write_whole(target, b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": -1}, "train"),
        ({"seed": -1}, "seed"),
        ({"conditions": ("snow",)}, "snow"),
        ({"size": (16, 16)}, "width"),
        ({"workers": 0}, "workers"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, changes, message):
    arguments = {"train": 0, "val": 0, "seed": 0, **changes}
    with pytest.raises(InputError, match=message):
        write_city(tmp_path / "city", **arguments)
    assert not (tmp_path / "city").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_missing_driver_is_told_in_one_sentence(tmp_path, workers):
    code = (
        "import sys, runpy; sys.modules['moderngl'] = None;"
        f"sys.argv = ['make_synthetic_city.py', '--out', {str(tmp_path / 'city')!r},"
        f" '--train', '1', '--val', '0', '--seed', '0', '--workers', '{workers}'];"
        f"runpy.run_path({str(ROOT / 'tools' / 'make_synthetic_city.py')!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    message = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(message) == 1
    assert "libegl1" in message[0]
    assert "libgl1-mesa-dri" in message[0]
    assert "moderngl" in message[0]
    assert "Traceback" not in done.stderr
