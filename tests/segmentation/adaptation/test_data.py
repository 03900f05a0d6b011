"""Source and target as one dataset: what is read of the target, and what never is."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from snr_plugins.errors import InputError
from snr_plugins.segmentation.adaptation.data import SourceTargetDataset
from tests.segmentation.streets import write_two_colour_streets
from tests.segmentation.trees import write_cross_city, write_image

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadLabelIds"},
    {"type": "RandomCrop", "crop_size": (32, 48), "cat_max_ratio": 0.75},
    {"type": "PackSegInputs"},
]


@pytest.fixture(autouse=True)
def scope():
    init_default_scope("mmseg")


def pair(root, target, **changes):
    source = {
        "type": "CamVidDataset",
        "data_root": str(root),
        "split": "day_train",
        "pipeline": PIPELINE,
    }
    return DATASETS.build({"type": SourceTargetDataset, "source": source, "target": target})


def camvid_dusk(root, **changes):
    return {"type": "CamVidDataset", "data_root": str(root), "split": "dusk_val", **changes}


def frames(dataset):
    torch.manual_seed(0)
    np.random.seed(0)
    return [dataset[index] for index in range(len(dataset))]


def test_each_frame_says_which_it_is(tmp_path):
    dataset = pair(write_two_colour_streets(tmp_path), camvid_dusk(tmp_path, domain="dusk"))
    samples = [frame["data_samples"] for frame in frames(dataset)]
    assert [sample.metainfo["is_target"] for sample in samples] == [False] * 4 + [True] * 4
    assert [sample.metainfo["domain"] for sample in samples] == ["day_train"] * 4 + ["dusk"] * 4
    assert ["gt_sem_seg" in sample for sample in samples] == [True] * 4 + [False] * 4
    assert all(frame["inputs"].shape == (3, 32, 48) for frame in frames(dataset))
    assert len(dataset.metainfo["classes"]) == 11


def test_labels_of_the_target_are_never_read(tmp_path):
    """Corrupt, then absent: nothing changes."""
    root = write_two_colour_streets(tmp_path)
    before = [frame["inputs"] for frame in frames(pair(root, camvid_dusk(root)))]
    for label in (root / "dusk_val" / "labels").iterdir():
        label.write_bytes(b"no image")
    for step in ("corrupt", "absent"):
        after = [frame["inputs"] for frame in frames(pair(root, camvid_dusk(root)))]
        assert all((a == b).all() for a, b in zip(after, before, strict=True)), step
        for label in (root / "dusk_val" / "labels").iterdir():
            label.unlink()


@pytest.mark.parametrize("as_config", [True, False])
def test_a_folder_of_pictures(tmp_path, as_config):
    root = write_two_colour_streets(tmp_path / "camvid")
    pictures = tmp_path / "pictures"
    write_image(pictures / "a.PNG", (40, 60))
    write_image(pictures / "monday" / "b.jpeg", (40, 60))
    (pictures / "notes.txt").write_text("no image")
    target = {"type": "ImageFolderDataset", "folder": str(pictures)} if as_config else str(pictures)
    dataset = pair(root, target)
    assert dataset.target.domain == "pictures"
    assert len(dataset.target) == 2
    samples = [dataset[index]["data_samples"] for index in (4, 5)]
    assert all(s.metainfo["is_target"] and "gt_sem_seg" not in s for s in samples)


def test_a_folder_that_is_missing_empty_or_damaged(tmp_path):
    root = write_two_colour_streets(tmp_path / "camvid")
    with pytest.raises(InputError, match="nowhere does not exist: check the path"):
        pair(root, str(tmp_path / "nowhere"))
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="pictures holds no image"):
        pair(root, str(tmp_path / "pictures"))
    (tmp_path / "pictures" / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png"):
        pair(root, str(tmp_path / "pictures"))


def test_any_dataset_is_a_target(tmp_path):
    """MMSegmentation's own, of other classes and without a label folder; Cross-City's test set."""
    root = write_two_colour_streets(tmp_path / "camvid")
    write_image(tmp_path / "ade" / "a.jpg", (40, 60))
    ade = {"type": "ADE20KDataset", "data_prefix": {"img_path": str(tmp_path / "ade")}}
    assert len(pair(root, ade).target) == 1
    write_cross_city(tmp_path / "cities", "Rome", np.zeros((40, 60), np.uint8))
    for label in (tmp_path / "cities").rglob("*_eval.png"):
        label.unlink()
    rome = {"type": "CrossCityDataset", "data_root": str(tmp_path / "cities"), "city": "Rome"}
    for dataset in (ade, rome):
        sample = pair(root, dataset)[4]["data_samples"]
        assert sample.metainfo["is_target"] and "gt_sem_seg" not in sample


def test_a_pipeline_of_the_targets_own(tmp_path):
    root = write_two_colour_streets(tmp_path)
    own = [
        {"type": "LoadImageFromFile"},
        {"type": "mmseg.LoadAnnotations"},
        {"type": "Resize", "scale": (24, 16)},
        {"type": "PackSegInputs"},
    ]
    dataset = pair(root, camvid_dusk(root, pipeline=own))
    assert dataset[0]["inputs"].shape == (3, 32, 48)
    assert dataset[4]["inputs"].shape == (3, 16, 24)
    assert "gt_sem_seg" not in dataset[4]["data_samples"]


def test_wrappers_on_either_side(tmp_path):
    """The source's pipeline is found in them; of the target no label is looked for in any."""
    root = write_two_colour_streets(tmp_path)
    for label in (root / "dusk_val" / "labels").iterdir():
        label.unlink()
    day = {**camvid_dusk(root, pipeline=PIPELINE), "split": "day_train"}
    source = {"type": "ConcatDataset", "datasets": [day]}
    source = {"type": "RepeatDataset", "times": 2, "dataset": source}
    own = [{"type": "LoadImageFromFile"}, {"type": "LoadLabelIds"}, {"type": "PackSegInputs"}]
    dusk = camvid_dusk(root, pipeline=own)
    targets = {
        (32, 48): {"type": "RepeatDataset", "times": 3, "dataset": camvid_dusk(root)},
        (64, 96): {"type": "DomainDataset", "domain": "d", "dataset": dusk},
    }
    for size, target in targets.items():
        both = {"type": SourceTargetDataset, "source": source, "target": target}
        dataset = DATASETS.build(both)
        assert len(dataset.source) == 8
        frame, sample = dataset[8]["inputs"], dataset[8]["data_samples"]
        assert sample.metainfo["is_target"] and "gt_sem_seg" not in sample
        assert frame.shape[1:] == size


def test_labels_of_a_wrapped_target_are_not_checked(tmp_path):
    """Train ids where those of Cityscapes should be are refused of a source, not of a target."""
    root = write_two_colour_streets(tmp_path)
    write_image(tmp_path / "city" / "a.png", (40, 60))
    (tmp_path / "city_labels").mkdir()
    train_ids = np.arange(40 * 60).reshape(40, 60) % 19
    train_ids[0] = 255
    cv2.imwrite(str(tmp_path / "city_labels" / "a.png"), train_ids.astype(np.uint8))
    folders = {"img_path": str(tmp_path / "city"), "seg_map_path": str(tmp_path / "city_labels")}
    city = {"type": "CityscapesDataset", "img_suffix": ".png", "seg_map_suffix": ".png"}
    city["data_prefix"] = folders
    city = {"type": "DomainDataset", "domain": "city", "ids": "cityscapes", "dataset": city}
    with pytest.raises(InputError, match="train ids"):
        DATASETS.build({**city, "pipeline": PIPELINE})
    assert len(pair(root, city).target) == 1


def test_a_target_of_no_known_type_is_named(tmp_path):
    root = write_two_colour_streets(tmp_path)
    with pytest.raises(KeyError, match="CamVidDatset"):
        pair(root, camvid_dusk(root, type="CamVidDatset"))
