"""MMSegmentation's own options of a dataset: honoured, or refused in a sentence with the key."""

from __future__ import annotations

from pathlib import Path

import mmseg
import numpy as np
import pytest

pytest.importorskip("mmseg")

from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS
from PIL import Image

import snr_plugins.segmentation  # noqa: F401  registers
from snr_plugins.errors import InputError
from tests.segmentation.trees import write_camvid, write_grey, write_gta5, write_image
from tests.trees import write_cityscapes_tree

STOCK = Path(mmseg.__file__).parent / ".mim" / "configs" / "_base_" / "datasets" / "cityscapes.py"
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "PackSegInputs"},
]
CAR = {"ulm_1": [(26001, 0, 0, 9, 9)], "bonn_2": [(24001, 5, 5, 20, 20)]}
LIST = "names.txt"


def build(config: dict):
    with DefaultScope.overwrite_default_scope("mmseg"):
        return DATASETS.build(config)


def gta5(root: Path, **options):
    return build({"type": "GTA5Dataset", "data_root": str(root), "pipeline": PIPELINE, **options})


def names(dataset) -> list[str]:
    return [Path(dataset.get_data_info(i)["img_path"]).name for i in range(len(dataset))]


def labels(dataset, index: int = 0) -> np.ndarray:
    return dataset[index]["data_samples"].gt_sem_seg.data[0].numpy()


def write_train_ids(root: Path, split: str) -> None:
    """As cityscapesScripts makes them, by the framework's own classes: road, person and car."""
    for path in sorted((root / "gtFine" / split).rglob("*_labelIds.png")):
        ids = np.asarray(Image.open(path))
        train_ids = np.select([ids == 7, ids == 24, ids == 26], [0, 11, 13], 255)
        write_grey(Path(str(path).replace("labelIds", "labelTrainIds")), train_ids.astype(np.uint8))


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("suffix", [None, "_gtFine_labelTrainIds.png"])
def test_stock_section_with_another_type_gives_the_stock_labels(tmp_path, split, suffix):
    root = write_cityscapes_tree(tmp_path, split, painted=CAR)
    write_train_ids(root, split)
    stock = Config.fromfile(STOCK)[f"{split}_dataloader"].dataset
    stock.data_root, stock.pipeline = str(root), PIPELINE
    theirs = build(stock)
    assert type(theirs) is CityscapesDataset
    options = {"seg_map_suffix": suffix} if suffix else {}
    ours = build({**stock, "type": "CityscapesLayoutDataset", **options})
    assert names(ours) == names(theirs)
    for index in range(2):
        assert set(np.unique(labels(theirs, index))) in ({0, 11}, {0, 13})
        np.testing.assert_array_equal(labels(ours, index), labels(theirs, index))
        assert ours[index]["data_samples"].domain == "clear"  # PackSegInputs names no meta_keys


def test_folders_and_endings_of_ones_own(tmp_path):
    write_image(tmp_path / "frames" / "1_rgb.jpg", (1, 3))
    write_grey(tmp_path / "ids" / "1_raw.png", np.array([[7, 26, 0]], np.uint8))
    dataset = gta5(
        tmp_path,
        data_prefix={"img_path": "frames", "seg_map_path": "ids"},
        img_suffix="_rgb.jpg",
        seg_map_suffix="_raw.png",
    )
    assert names(dataset) == ["1_rgb.jpg"]
    assert labels(dataset).tolist() == [[0, 13, 255]]


def test_ending_of_a_condition_says_the_condition(tmp_path):
    root = write_cityscapes_tree(tmp_path, "val", ("clear", "foggy_beta_0.02"), CAR)
    foggy = {"data_root": str(root), "img_suffix": "_leftImg8bit_foggy_beta_0.02.png"}
    config = {"type": "CityscapesLayoutDataset", "pipeline": PIPELINE, **foggy}
    dataset = build(config)
    assert dataset.domain == "foggy_beta_0.02"
    assert [condition.beta for condition in dataset.layout.conditions] == [0.02]
    with pytest.raises(InputError, match=r"condition='rain' but img_suffix='_left.*_foggy_beta_0"):
        build({**config, "condition": "rain"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"reduce_zero_label": True}, "GTA5Dataset has reduce_zero_label=True, but its table"),
        ({"data_prefix": {"img_dir": "images"}}, "data_prefix with the key 'img_dir'"),
        ({"metainfo": {"classes": ["cars"]}}, r"classes=\['cars'\]: give names of road, sidewalk"),
        ({"metainfo": {"classes": ["car", "car"]}}, "give a list of names, each once"),
        ({"metainfo": {"classes": []}}, "give a list of names, each once"),
        ({"metainfo": {"classes": "car"}}, "classes='car': give a list of names"),
        (
            {"pipeline": [{"type": "LoadAnnotations", "reduce_zero_label": True}]},
            "LoadAnnotations has reduce_zero_label=True",
        ),
    ],
)
def test_option_that_cannot_be_honoured(tmp_path, options, sentence):
    root = write_gta5(tmp_path, np.array([[7]], np.uint8))
    with pytest.raises(InputError, match=sentence):
        gta5(root, **options)


def test_classes_in_another_order_and_from_a_file(tmp_path):
    root = write_gta5(tmp_path, np.array([[7, 26, 8]], np.uint8))
    (tmp_path / "classes.txt").write_text("car\nroad\n")
    for chosen in (["car", "road"], ("car", "road"), str(tmp_path / "classes.txt")):
        assert labels(gta5(root, metainfo={"classes": chosen})).tolist() == [[1, 0, 255]]


def test_an_image_in_upper_case_is_not_passed_by(tmp_path):
    root = write_gta5(tmp_path / "a folder", np.array([[7, 26]], np.uint8))
    write_image(root / "images" / "00002.PNG", (1, 2))
    with pytest.raises(InputError, match=r"00002\.PNG should end in \.png: rename it"):
        gta5(root)
    (root / "images" / "00001.png").unlink()
    write_grey(root / "labels" / "00002.png", np.array([[7, 26]], np.uint8))
    assert names(gta5(f"{root}/", img_suffix=".PNG")) == ["00002.PNG"]


@pytest.mark.parametrize(
    "text",
    ["00001\n", "00001.png\n", "\n00001\r\n\r\n", "00001"],
    ids=["bare", "with ending", "blank lines", "no newline"],
)
def test_list_of_names(tmp_path, text):
    root = write_gta5(tmp_path, np.array([[7, 26]], np.uint8))
    write_image(root / "images" / "00002.png", (1, 2))  # not in the list: needs no label
    (root / LIST).write_text(text)
    dataset = gta5(root, ann_file=LIST)
    assert names(dataset) == ["00001.png"]
    assert labels(dataset).tolist() == [[0, 13]]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names.txt names no image"),
        ("\n \n", "names.txt names no image"),
        ("00001.jpg\n", r"names.txt names .*00001\.jpg\.png, which does not exist"),
        ("images/00001.png labels/00001.png\n", "names.txt names .* which does not exist"),
        (None, "names.txt is no file"),
    ],
)
def test_list_that_is_at_fault(tmp_path, text, sentence):
    root = write_gta5(tmp_path, np.array([[7]], np.uint8))
    if text is not None:
        (root / LIST).write_text(text)
    with pytest.raises(InputError, match=sentence):
        gta5(root, ann_file=LIST)


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("utf-8-sig", "names.txt begins with a byte order mark"),
        ("utf-16", "names.txt is no text in UTF-8"),
    ],
)
def test_list_in_another_encoding(tmp_path, encoding, sentence):
    root = write_gta5(tmp_path, np.array([[7]], np.uint8))
    (root / LIST).write_text("00001\n", encoding=encoding)
    with pytest.raises(InputError, match=sentence):
        gta5(root, ann_file=LIST)


def test_train_ids_under_the_name_of_label_ids_are_refused_before_training(tmp_path):
    root = write_gta5(tmp_path, np.uint8([[0, 8, 13, 255]]))
    with pytest.raises(InputError, match=r"00001\.png and others hold .* train ids, where the ids"):
        gta5(root)
    write_gta5(tmp_path, np.uint8([[0, 8, 26, 255]]))
    assert len(gta5(root)) == 1


def test_thermal_images_are_refused_before_training(tmp_path):
    root = write_gta5(tmp_path, np.array([[7]], np.uint8))
    write_grey(root / "images" / "00001.png", np.array([[3000]], np.uint16))
    with pytest.raises(InputError, match=r"00001\.png is grey of more than 8 bits"):
        gta5(root)


def test_camvid_in_png_as_published(tmp_path):
    root = write_camvid(tmp_path, "day", np.array([[3, 11, 255]], np.uint8))
    jpeg = root / "day" / "images" / "0001TP_006690.jpg"
    config = {"type": "CamVidDataset", "data_root": str(root), "split": "day", "pipeline": PIPELINE}
    assert names(build(config)) == ["0001TP_006690.jpg"]
    write_image(jpeg.with_suffix(".png"), (1, 3))
    with pytest.raises(InputError, match=r"day/images holds images \*\.jpg and \*\.png: keep one"):
        build(config)
    assert names(build({**config, "img_suffix": ".jpg"})) == ["0001TP_006690.jpg"]
    jpeg.unlink()
    dataset = build(config)
    assert names(dataset) == ["0001TP_006690.png"]
    assert labels(dataset).tolist() == [[3, 255, 255]]
