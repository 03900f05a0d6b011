"""Pairs of domains: what is read of a target, in which order the batches come, and what is not."""

import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, DatasetMapper, build_detection_train_loader
from detectron2.utils.events import EventStorage
from PIL import Image

from snr_plugins.data.names import DETECTION_DATASETS
from snr_plugins.detection import ready_pairs, register_adaptation, register_coco_folder
from snr_plugins.detection.adaptation.batches import Batches
from snr_plugins.detection.adaptation.pairs import pair_of
from snr_plugins.detection.catalogue import class_names
from snr_plugins.errors import InputError
from tests.trees import IMAGE_NAMES, PAINTED, write_cityscapes_tree

NIGHT = "synthetic_city_clear_to_night"


@pytest.fixture
def city(project_datasets, tmp_path):
    """The synthetic city in all weathers; six frames, of which four have a box to learn."""
    painted = {**PAINTED, **{stem.replace("19", "20"): v for stem, v in PAINTED.items()}}
    write_cityscapes_tree(tmp_path / "synthetic_city", "train", tuple(IMAGE_NAMES), painted)
    return tmp_path / "synthetic_city"


def loader_of(name, images=4, workers=0):
    pair = pair_of(name)
    pair.batches = Batches(images)
    mapper = DatasetMapper(is_train=True, augmentations=[], image_format="BGR")
    return build_detection_train_loader(
        pair.load(),
        mapper=mapper,
        total_batch_size=images,
        aspect_ratio_grouping=False,
        num_workers=workers,
    )


def names_of(batch):
    return [os.path.basename(x["file_name"]) for x in batch]


def first(loader, count, done=0):
    """Names in the first batches, as the trainer asks for them in its iteration ``done``."""
    torch.manual_seed(0)
    np.random.seed(0)
    with EventStorage(done):
        return [names_of(batch) for batch in itertools.islice(iter(loader), count)]


def seeded(name=NIGHT, **options):
    np.random.seed(7)  # the sampler's seed is drawn from it, as Detectron2's is
    return loader_of(name, **options)


def test_batches_hold_both_domains_in_equal_numbers(city):
    for batch in itertools.islice(seeded(images=4), 5):
        assert [x["domain"] for x in batch] == ["source", "target"] * 2
        for record in batch:
            assert ("instances" in record) == (record["domain"] == "source")
            assert ("night" in record["file_name"]) == (record["domain"] == "target")


def test_each_domain_is_seen_whole_before_it_comes_again(city):
    names = [n for batch in first(seeded(images=4), 12) for n in batch]
    source, target = names[::2], names[1::2]
    for seen, count in ((source, 4), (target, 6)):
        for start in range(0, len(seen) - count, count):
            assert len(set(seen[start : start + count])) == count
    # not the same scene in pairs
    assert any(
        s.split("_left")[0] != t.split("_left")[0] for s, t in zip(source, target, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_order_is_the_same_for_any_number_of_workers(city, workers):
    assert first(seeded(workers=workers), 7) == first(seeded(workers=0), 7)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_goes_on_with_the_batches_it_would_have_seen(city, workers):
    whole = first(seeded(workers=workers), 9)
    assert first(seeded(workers=workers), 4, done=5) == whole[5:]


def test_labels_of_the_target_do_not_matter(city):
    records = pair_of(NIGHT).target_records()
    assert len(records) == 6
    assert all(set(r) == {"file_name", "image_id", "height", "width", "domain"} for r in records)
    for path in (city / "gtFine").rglob("*.*"):
        path.write_bytes(b"no label")
    assert pair_of(NIGHT).target_records() == records
    shutil.rmtree(city / "gtFine")
    assert pair_of(NIGHT).target_records() == records


def test_labels_of_any_registered_target_are_dropped(own_catalogue, city):
    truth = DatasetCatalog.get("synthetic_city_clear_train")
    DatasetCatalog.register("theirs", lambda: [{**r, "sem_seg_file_name": "x"} for r in truth])
    register_adaptation("to_theirs", "synthetic_city_clear_train", "theirs")
    before = pair_of("to_theirs").target_records()
    for record in truth:
        record["annotations"] = "corrupt"
    assert pair_of("to_theirs").target_records() == before
    assert len(before) == 6 and not any("annotations" in r for r in before)


@pytest.mark.parametrize(("images", "message"), [(3, "multiple of 2"), (0, "multiple of 2")])
def test_uneven_batches_are_refused(city, images, message):
    with pytest.raises(InputError, match=f"SOLVER.IMS_PER_BATCH is {images}: .*{message}"):
        Batches(images).of_a_process()


def test_grouping_by_shape_is_refused():
    with pytest.raises(InputError, match="ASPECT_RATIO_GROUPING is True"):
        Batches(2, by_aspect_ratio=True).of_a_process()


def test_a_pair_needs_a_model_that_takes_it_apart(city):
    pair_of(NIGHT).batches = None
    with pytest.raises(InputError, match=f"{NIGHT} holds two domains: set MODEL.META_ARCH"):
        DatasetCatalog.get(NIGHT)


def test_a_folder_that_holds_none_or_a_broken_image_is_named(own_catalogue, city, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    register_adaptation("to_mine", "synthetic_city_clear_train", str(pictures))
    with pytest.raises(InputError, match=f"{pictures} holds no image"):
        pair_of("to_mine").target_records()
    (pictures / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png"):
        pair_of("to_mine").target_records()
    Image.new("RGB", (8, 6)).save(pictures / "a.png")
    (record,) = pair_of("to_mine").target_records()
    assert (record["height"], record["width"], record["domain"]) == (6, 8, "target")


def test_names_are_checked_at_registration(own_catalogue, city):
    source = "synthetic_city_clear_train"
    for words, message in (
        ((NIGHT, source, None), "is registered already"),
        (("mine", "nothing", None), "source 'nothing' of mine is no registered dataset"),
        (("mine", NIGHT, None), "is no registered dataset"),
        (("mine", source, "/nowhere"), "'/nowhere' of mine is neither a registered dataset nor"),
        (("mine", source, NIGHT), "is neither a registered dataset nor"),
    ):
        with pytest.raises(InputError, match=message):
            register_adaptation(*words)


def test_source_without_a_box_is_named(own_catalogue, city, tmp_path):
    register_coco_folder("empty", str(tmp_path / "boxes.json"), str(tmp_path))
    register_adaptation("empty_to_night", "empty", "synthetic_city_night_train")
    image = {"id": 1, "file_name": "a.png", "height": 6, "width": 8}
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    (tmp_path / "boxes.json").write_text(
        json.dumps({"images": [image], "annotations": [], "categories": [{"id": 1, "name": "car"}]})
    )
    with pytest.raises(InputError, match="empty_to_night: no image of empty has a box"):
        pair_of("empty_to_night").source_records()


def test_ready_pairs_fit(project_datasets):
    """Source and target of one name have one list of classes, and the pair has it too."""
    for name, source, target in ready_pairs():
        assert class_names(name) == list(DETECTION_DATASETS[source].classes)
        if target is not None:
            assert DETECTION_DATASETS[target].classes == DETECTION_DATASETS[source].classes
    assert {"cityscapes_to_foggy_beta_0.02", "kitti_to_cityscapes_car"} <= {
        name for name, _, _ in ready_pairs()
    }


def test_target_files_are_those_of_its_records(city):
    files = pair_of(NIGHT).target_files()
    assert files == [os.path.realpath(r["file_name"]) for r in pair_of(NIGHT).target_records()]
    assert len(files) == 6 and all(Path(path).is_file() for path in files)
