"""A target's images: those that the labelled readers list, without a label being there."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from snr_plugins.data.layouts import LAYOUTS
from snr_plugins.data.unlabelled import list_unlabelled, records_of_images
from snr_plugins.errors import InputError
from tests.field_trees import write_bdd100k, write_diverse_weather
from tests.trees import IMAGE_NAMES, write_cityscapes_tree, write_kitti_tree, write_sim10k_tree

HINT = "unpack it"
CASES = {
    "foggy_cityscapes_beta_0.02": (
        lambda root: write_cityscapes_tree(root, "val", tuple(IMAGE_NAMES)),
        "val",
    ),
    "kitti": (write_kitti_tree, "train"),
    "sim10k": (write_sim10k_tree, "train"),
    "bdd100k": (write_bdd100k, "val"),
    # its lists say which images: two of the three
    "diverse_weather": (
        lambda root: write_diverse_weather(root, nested=True),
        "daytime_clear/train",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_lists_what_the_labelled_reader_lists(tmp_path, name):
    write, split = CASES[name]
    root, layout = write(tmp_path), LAYOUTS[name]
    if name == "bdd100k":  # one label file for all frames
        expected = sorted((root / "images" / "100k" / "val").iterdir())
    else:
        expected = [frame.image for frame in layout.frames(root, split, HINT)]
    assert sorted(list_unlabelled(layout, root, split, HINT)) == expected
    assert len(expected) >= 2


def test_all_conditions_are_listed_and_no_label_is_needed(tmp_path):
    root = write_cityscapes_tree(tmp_path, "val", tuple(IMAGE_NAMES))
    shutil.rmtree(root / "gtFine")
    files = list_unlabelled(LAYOUTS["foggy_cityscapes_all"], root, "val", HINT)
    assert len(files) == 9 and all("_foggy_beta_" in path.name for path in files)


def test_a_missing_and_an_empty_folder_are_named(tmp_path):
    layout = LAYOUTS["kitti"]
    with pytest.raises(InputError, match=r"training/image_2 does not exist: unpack it\."):
        list_unlabelled(layout, tmp_path, "train", HINT)
    (tmp_path / "training" / "image_2").mkdir(parents=True)
    with pytest.raises(InputError, match=r"No file \*\.png lies in .*image_2: unpack it\."):
        list_unlabelled(layout, tmp_path, "train", HINT)


def test_an_image_that_a_list_names_has_to_be_there(tmp_path):
    root = write_diverse_weather(tmp_path, nested=True)
    next(root.rglob("daytime_clear/VOC2007/JPEGImages/a-1.jpg")).unlink()
    with pytest.raises(InputError, match=r"a-1\.jpg does not exist"):
        list_unlabelled(LAYOUTS["diverse_weather"], root, "daytime_clear/train", HINT)


def test_records_hold_the_size_and_nothing_of_labels(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 6)).save(path)
    name = str(path)
    assert records_of_images([path]) == [
        {"file_name": name, "image_id": name, "height": 6, "width": 8}
    ]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"a\.png"):
        records_of_images([Path(path)])
