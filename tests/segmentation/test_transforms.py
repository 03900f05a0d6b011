"""LoadLabelIds: every kind of label image, every table, and files that are at fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import Cityscapes as TorchvisionCityscapes

pytest.importorskip("mmseg")

from mmengine.registry import DefaultScope
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.transforms import LoadAnnotations, PhotoMetricDistortion
from mmseg.registry import TRANSFORMS

from snr_plugins.data.label_ids import (
    CAMVID_CLASSES,
    CROSS_CITY_CLASSES,
    SYNTHIA_13_CLASSES,
    SYNTHIA_16_CLASSES,
)
from snr_plugins.data.labels import CITYSCAPES_CLASSES
from snr_plugins.errors import InputError
from snr_plugins.segmentation.transforms import LoadLabelIds, with_label_ids, with_photometric
from tests.segmentation.trees import (
    SYNTHIA_NAMES,
    write_colour16,
    write_grey,
    write_image,
    write_palette,
)


def load(path: Path, ids: str | None = None, **results) -> np.ndarray:
    """What a pipeline of MMSegmentation gets, by its own registry."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        transform = TRANSFORMS.build({"type": "LoadLabelIds", "ids": ids})
    results = {"seg_map_path": str(path), "seg_fields": [], **results}
    assert transform(results) is results
    assert results["seg_fields"] == ["gt_seg_map"]
    assert results["gt_seg_map"].dtype == np.uint8
    return results["gt_seg_map"]


def row(*ids: int) -> np.ndarray:
    return np.array([ids], dtype=np.uint8)


# torchvision's table of Cityscapes, which gives the licence plate the id -1, so 255 in a PNG.
TRAIN_IDS = {c.id % 256: c.train_id % 256 for c in TorchvisionCityscapes.classes}


def test_classes_are_those_of_the_framework():
    assert CityscapesDataset.METAINFO["classes"] == CITYSCAPES_CLASSES


def test_class_subsets():
    assert set(CITYSCAPES_CLASSES) - set(SYNTHIA_16_CLASSES) == {"terrain", "truck", "train"}
    assert set(SYNTHIA_16_CLASSES) - set(SYNTHIA_13_CLASSES) == {"wall", "fence", "pole"}
    assert set(SYNTHIA_16_CLASSES) == {name for name in SYNTHIA_NAMES.values() if name}
    assert (len(SYNTHIA_16_CLASSES), len(SYNTHIA_13_CLASSES)) == (16, 13)


@pytest.mark.parametrize("write", [write_grey, write_palette])
@pytest.mark.parametrize("ids", ["cityscapes", "gta5"])
def test_cityscapes_ids_as_torchvision_has_them(tmp_path, write, ids):
    path = write(tmp_path / "label.png", row(*TRAIN_IDS))
    assert load(path, ids).tolist() == [list(TRAIN_IDS.values())]


def test_licence_plates_of_gta5_are_void(tmp_path):
    path = write_palette(tmp_path / "label.png", row(34, 26))
    assert load(path, "gta5").tolist() == [[255, 13]]


def test_synthia_ids_are_in_the_red_channel(tmp_path):
    path = write_colour16(tmp_path / "label.png", row(*SYNTHIA_NAMES))
    expected = [
        255 if name is None else CityscapesDataset.METAINFO["classes"].index(name)
        for name in SYNTHIA_NAMES.values()
    ]
    assert load(path, "synthia").tolist() == [expected]


def test_cross_city_ids_are_those_of_cityscapes(tmp_path):
    names = {c.id % 256: c.name for c in TorchvisionCityscapes.classes}
    path = write_grey(tmp_path / "label.png", row(*names))
    expected = [
        CityscapesDataset.METAINFO["classes"].index(name) if name in CROSS_CITY_CLASSES else 255
        for name in names.values()
    ]
    assert load(path, "cross_city").tolist() == [expected]
    assert len(set(expected)) == 13 + 1


def test_camvid_ids_stay(tmp_path):  # void is 11 in the published images of 11 classes
    path = write_grey(tmp_path / "label.png", row(*range(11), 11, 255))
    assert load(path, "camvid").tolist() == [[*range(11), 255, 255]]
    assert len(CAMVID_CLASSES) == 11


def test_subset_of_classes_is_applied_once_and_not_in_sequence(tmp_path):
    # 7 -> 0 -> 1 and 8 -> 1 -> 0: a swap goes wrong if the map is followed twice.
    path = write_grey(tmp_path / "label.png", row(7, 8, 11, 0))
    loaded = load(path, "cityscapes", label_map={0: 1, 1: 0, 2: 255})
    assert loaded.tolist() == [[1, 0, 255, 255]]


def test_dataset_names_its_table(tmp_path):
    path = write_grey(tmp_path / "label.png", row(7))
    assert load(path, None, label_ids="cityscapes").tolist() == [[0]]
    with pytest.raises(InputError, match=r"ids='synthia' but .*label\.png has .*'cityscapes'"):
        load(path, "synthia", label_ids="cityscapes")
    with pytest.raises(InputError, match=r"Nothing says which ids .*label\.png holds"):
        load(path)


def test_one_transform_serves_datasets_with_different_ids(tmp_path):
    transform = LoadLabelIds()
    city = write_grey(tmp_path / "city.png", row(8))
    camvid = write_grey(tmp_path / "camvid.png", row(8))
    for path, ids, expected in ((city, "cityscapes", 1), (camvid, "camvid", 8)) * 2:
        results = {"seg_map_path": str(path), "seg_fields": [], "label_ids": ids}
        assert transform(results)["gt_seg_map"].tolist() == [[expected]]


def test_train_ids_are_read_as_the_framework_reads_them(tmp_path):
    path = write_grey(tmp_path / "label.png", np.array([[0, 18], [3, 255]], np.uint8))
    frame = {"reduce_zero_label": False, "label_map": {0: 5, 18: 0, 3: 255}}
    results = {"seg_map_path": str(path), "seg_fields": [], **frame}
    stock = LoadAnnotations()({**results, "seg_fields": []})["gt_seg_map"]
    assert load(path, "train_ids", **frame).tolist() == stock.tolist() == [[5, 0], [255, 255]]


def test_bare_image_passes():
    assert LoadLabelIds()({"img_path": "frame.png"}) == {"img_path": "frame.png"}


def test_load_annotations_is_replaced_wherever_it_stands():
    crop = {"type": "RandomCrop", "crop_size": (2, 4)}
    pipeline = [
        {"type": "LoadAnnotations", "backend_args": {"backend": "local"}},
        {"type": "TestTimeAug", "transforms": [[crop], [{"type": "LoadAnnotations"}]]},
        LoadAnnotations(),
        LoadLabelIds(ids="gta5"),
    ]
    first, nested, built, own = with_label_ids(pipeline)
    assert first == {"type": LoadLabelIds, "backend_args": {"backend": "local"}}
    ours = {"type": LoadLabelIds, "backend_args": None}
    assert nested == {"type": "TestTimeAug", "transforms": [[crop], [ours]]}
    assert built == ours
    assert own is pipeline[3]
    with pytest.raises(InputError, match="LoadAnnotations has reduce_zero_label=True"):
        with_label_ids([{"type": "LoadAnnotations", "reduce_zero_label": True}])


def test_unknown_table():
    with pytest.raises(InputError, match="'kitty': choose from cityscapes, gta5, synthia"):
        LoadLabelIds(ids="kitty")


@pytest.mark.parametrize(
    ("ids", "write", "raw"),
    [
        ("cityscapes", write_grey, 34),
        ("cityscapes", write_grey, 200),
        ("gta5", write_palette, 35),
        ("synthia", write_colour16, 23),
        ("camvid", write_grey, 12),
        ("cross_city", write_palette, 34),
    ],
)
def test_unknown_id_is_an_error(tmp_path, ids, write, raw):
    path = write(tmp_path / "label.png", row(raw, 1, raw))
    with pytest.raises(InputError, match=rf"label\.png holds the ids {raw}, which .*'{ids}'"):
        load(path, ids)


def test_instance_ids_instead_of_label_ids(tmp_path):
    path = write_grey(tmp_path / "label.png", np.array([[7, 26001]], dtype=np.uint16))
    with pytest.raises(InputError, match=r"holds the ids 26001, which"):
        load(path, "cityscapes")


def test_missing_file(tmp_path):
    path = tmp_path / "Straßen von heute" / "label.png"
    with pytest.raises(InputError, match=r"Straßen von heute/label\.png cannot be read: No such"):
        load(path, "cityscapes")


@pytest.mark.parametrize(("ids", "write"), [("camvid", write_grey), ("synthia", write_colour16)])
def test_cut_or_damaged_file(tmp_path, ids, write):
    noise = np.random.default_rng(0).integers(0, 11, (64, 64)).astype(np.uint8)
    path = write(tmp_path / "label.png", noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"label\.png is cut short"):
        load(path, ids)
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    with pytest.raises(InputError, match=r"label\.png is damaged"):
        load(path, ids)


def test_other_kinds_of_image(tmp_path):
    colour = write_image(tmp_path / "colour.png", (2, 2))
    with pytest.raises(InputError, match=r"colour\.png is an image of mode RGB"):
        load(colour, "cityscapes")
    black_and_white = tmp_path / "bits.png"
    Image.new("1", (2, 2)).save(black_and_white)
    with pytest.raises(InputError, match=r"bits\.png is an image of mode 1"):
        load(black_and_white, "cityscapes")
    grey = write_grey(tmp_path / "grey.png", row(1))
    with pytest.raises(InputError, match=r"grey\.png has no colour channels"):
        load(grey, "synthia")
    jpeg = write_image(tmp_path / "label.jpg", (2, 2))
    with pytest.raises(InputError, match=r"label\.jpg is not a PNG image"):
        load(jpeg, "cityscapes")


def test_size_is_compared_with_the_image_before_it_was_resized(tmp_path):
    image = write_image(tmp_path / "image.png", (4, 6))
    right = write_grey(tmp_path / "right.png", np.full((4, 6), 7, np.uint8))
    wrong = write_grey(tmp_path / "wrong.png", np.full((6, 4), 7, np.uint8))
    with DefaultScope.overwrite_default_scope("mmseg"):
        read, resize, load_label = map(
            TRANSFORMS.build,
            (
                {"type": "LoadImageFromFile"},
                {"type": "Resize", "scale": (12, 8)},
                {"type": "LoadLabelIds", "ids": "cityscapes"},
            ),
        )
    frame = {"img_path": str(image), "seg_fields": [], "reduce_zero_label": False}
    loaded = load_label(resize(read({**frame, "seg_map_path": str(right)})))
    assert loaded["img"].shape[:2] == (8, 12)
    assert loaded["gt_seg_map"].shape == (4, 6)
    with pytest.raises(InputError, match=r"wrong\.png is 4x6 pixels but .*image\.png is 6x4"):
        load_label(resize(read({**frame, "seg_fields": [], "seg_map_path": str(wrong)})))


def test_photometric_stands_before_the_packing_and_once():
    names = ("LoadImageFromFile", "LoadLabelIds", "RandomFlip", "PackSegInputs")
    pipeline = [{"type": name} for name in names]
    with_it = with_photometric(pipeline)
    assert [step["type"] for step in with_it[:3]] == list(names[:3])
    assert with_it[3]["type"].__name__ == "PhotoMetricDistortion" and with_it[4:] == pipeline[3:]
    for own in ({"type": "PhotoMetricDistortion", "hue_delta": 1}, PhotoMetricDistortion()):
        assert with_photometric([*pipeline, own]) == [*pipeline, own]
