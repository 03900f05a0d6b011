"""Masks of COCO files: what pycocotools takes is taken, in whatever form it came."""

from __future__ import annotations

import numpy as np
import pytest

from snr_plugins.data.coco_masks import segmentation

SIZE = (30, 40)
TRIANGLE = [1, 2, 9, 2, 9, 9]
RUNS = {"size": [30, 40], "counts": [7, 3, 1190]}


@pytest.mark.parametrize("seed", range(5))
def test_packed_runs_are_those_of_pycocotools(seed):
    pack = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(seed)
    mask = np.repeat(rng.random((30, 4)) < rng.random(), 10, axis=1)
    packed = pack.encode(np.asfortranarray(mask.astype(np.uint8)))
    given = {"size": [30, 40], "counts": packed["counts"].decode()}
    assert segmentation(given, SIZE) is given
    for text in (given["counts"][:-1], given["counts"] + "1"):
        assert segmentation({**given, "counts": text}, SIZE) is None


@pytest.mark.parametrize("value", [[TRIANGLE], [TRIANGLE, TRIANGLE], RUNS])
def test_what_is_right_stays(value):
    assert segmentation(value, SIZE) == value
    assert segmentation(value, None) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TRIANGLE, [TRIANGLE]),
        ([[[1, 2], [9, 2], [9, 9]]], [TRIANGLE]),
        ([list(map(str, TRIANGLE))], [TRIANGLE]),
        ([TRIANGLE, [1, 2, 3, 4], [], None], [TRIANGLE]),
        ({**RUNS, "size": ["30", 40.0]}, RUNS),
    ],
)
def test_other_forms_are_read_as_meant(value, expected):
    assert segmentation(value, SIZE) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], {}, [[]], "mask", 5, [None]),
        *([[1, 2, 3, 4]], [[*TRIANGLE, 5]], [[1, 2, float("nan"), 2, 9, 9]], [["a"] * 6]),
        *({"counts": [1200]}, {"size": [30], "counts": [1200]}, {"size": [30, 40]}),
        *({**RUNS, "size": [40, 30]}, {**RUNS, "counts": [7, 3]}, {**RUNS, "counts": []}),
        *({**RUNS, "counts": [0, -5, 1205]}, {**RUNS, "counts": ["7", 3, 1190]}),
        *({**RUNS, "counts": "abc"}, {**RUNS, "counts": "\u00e9"}, {**RUNS, "counts": ""}),
    ],
)
def test_the_rest_is_no_mask(value):
    assert segmentation(value, SIZE) is None
