"""The demo, whole but tiny: real city, real training, table and picture."""

import json

import cv2
import pytest

from tests.end_to_end.conftest import ROOT

WEATHER = ["clear", "fog, beta 0.01", "fog, beta 0.02", "night", "rain"]


def test_demo(command, tmp_path):
    moderngl = pytest.importorskip("moderngl", reason="moderngl is not installed")
    try:
        moderngl.create_context(standalone=True, backend="egl").release()
    except Exception as error:  # whatever the driver's loader raises
        pytest.skip(f"no EGL on this machine: {error}")
    done = command(
        ROOT / "tools" / "demo.py", "--out", tmp_path / "demo", "--train", 4, "--val", 2,
        "SOLVER.MAX_ITER", 2, "SOLVER.IMS_PER_BATCH", 2,
        DETECTRON2_DATASETS=str(tmp_path / "datasets"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "trained on 4 clear ones" in done.stdout
    rows = [line.strip().rsplit(maxsplit=4) for line in done.stdout.splitlines()]
    table = {row[0]: row[1:] for row in rows if row and row[0] in WEATHER and len(row) == 5}
    assert list(table) == WEATHER
    results = json.loads((tmp_path / "demo" / "results.json").read_text())
    for weather, (plain, snr, difference, norm) in table.items():
        assert float(plain) == pytest.approx(results["plain"][weather], abs=0.051)
        assert float(snr) == pytest.approx(results["SNR"][weather], abs=0.051)
        assert float(norm) == pytest.approx(results["instance norm"][weather], abs=0.051)
        expected = results["SNR"][weather] - results["plain"][weather]
        assert float(difference) == pytest.approx(expected, abs=0.051)
    panel = cv2.imread(str(tmp_path / "demo" / "panel.png"))
    assert panel.std() > 10  # streets, not a blank


def test_bad_override_stops_before_rendering(command, tmp_path):
    done = command(
        ROOT / "tools" / "demo.py", "MODEL.SNR.STAGE", "x", DETECTRON2_DATASETS=str(tmp_path)
    )
    assert done.returncode == 1
    assert "error: command line:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
