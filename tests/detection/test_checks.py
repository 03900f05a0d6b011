"""What a run lacks is said in one sentence before anything is written."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY, RetinaNet, build_model
from detectron2.solver import build_optimizer
from detectron2.utils import comm

from snr_plugins.configs import config_path
from snr_plugins.detection import register_coco_folder
from snr_plugins.detection.checks import check_run
from snr_plugins.detection.config import load_config
from snr_plugins.errors import InputError

PLAIN = config_path("detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml")
SNR = config_path("detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml")
POLYGON = [[4, 4, 20, 4, 20, 20]]
RETINANET = ("MODEL.META_ARCHITECTURE", "RetinaNet", "MODEL.RETINANET.NUM_CLASSES")
P3_TO_P6 = ("MODEL.RETINANET.IN_FEATURES", "['p3', 'p4', 'p5', 'p6']")


@pytest.fixture
def dataset(tmp_path):
    """Registers COCO files of one image with a box of a car for each of the given fields."""
    names = []

    def register(name, *fields):
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((32, 48, 3), np.uint8))
        box = {"image_id": 1, "category_id": 1, "bbox": [4, 4, 16, 16], "area": 256, "iscrowd": 0}
        content = {
            "images": [{"id": 1, "file_name": "a.png", "height": 32, "width": 48}],
            "annotations": [{"id": i + 1} | box | more for i, more in enumerate(fields)],
            "categories": [{"id": 1, "name": "car"}],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        register_coco_folder(name, str(tmp_path / f"{name}.json"), str(tmp_path))
        names.append(name)

    yield register
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.fixture
def check(tmp_path):
    """Checks a run of the SNR config on cars in ``tmp_path/out``, with keys and values in turn."""

    def run(*overrides, eval_only=False, resume=False, file=SNR, train=("cars",), test=("cars",)):
        datasets = ("DATASETS.TRAIN", train, "DATASETS.TEST", test)
        options = ("MODEL.WEIGHTS", "", "MODEL.ROI_HEADS.NUM_CLASSES", 1, *datasets)
        options = (*options, "OUTPUT_DIR", str(tmp_path / "out"), *overrides)
        cfg = load_config(file, [str(option) for option in options], resume)
        check_run(cfg, eval_only, resume)
        return cfg

    return run


def save_checkpoint(cfg, name="model_0000001.pth"):
    """As fvcore's checkpointer writes it."""
    folder = Path(cfg.OUTPUT_DIR)
    folder.mkdir(exist_ok=True)
    torch.save({"model": build_model(cfg).state_dict(), "iteration": 1}, folder / name)
    (folder / "last_checkpoint").write_text(name)


def test_evaluation_needs_the_test_datasets_alone(dataset, check):
    dataset("cars", {})
    check(eval_only=True, train=())
    check(eval_only=True, train=("gone",))  # registered nowhere
    with pytest.raises(InputError, match="DATASETS.TEST is empty"):
        check(eval_only=True, test=())


def test_training_needs_no_test_dataset(dataset, check):
    dataset("cars", {})
    check(test=())
    with pytest.raises(InputError, match="DATASETS.TRAIN is empty"):
        check(train=())
    with pytest.raises(InputError, match="'gone', which is not registered"):
        check(test=("gone",))


@pytest.mark.parametrize("eval_only", [False, True])
def test_resuming_needs_no_start_weights(dataset, check, eval_only):
    dataset("cars", {})
    gone = ("MODEL.WEIGHTS", "gone.pth")
    with pytest.raises(InputError, match="MODEL.WEIGHTS: gone.pth does not exist"):
        check(*gone, resume=True, eval_only=eval_only)  # there is nothing to go on from
    save_checkpoint(check())
    check(*gone, resume=True, eval_only=eval_only)
    with pytest.raises(InputError, match="MODEL.WEIGHTS: gone.pth does not exist"):
        check(*gone, eval_only=eval_only)


@pytest.mark.fault(
    "interruption",
    "A checkpoint of another network to go on from, in Detectron2",
    "one sentence names a tensor that differs; nothing is written",
    tries=4,
)
def test_a_checkpoint_of_another_model_is_not_gone_on_from(dataset, check, tmp_path):
    dataset("cars", {})
    save_checkpoint(check(file=PLAIN))
    check(file=PLAIN, resume=True)
    for eval_only in (False, True):
        with pytest.raises(InputError, match=r"model_0000001.pth .* lacks backbone\..*snr.* more"):
            check(resume=True, eval_only=eval_only)
    check()  # a new run may be written there
    save_checkpoint(check())
    check(resume=True)
    with pytest.raises(InputError, match=r"this model lacks, backbone\..*snr"):
        check(file=PLAIN, resume=True)
    with pytest.raises(InputError, match="has another shape of roi_heads"):
        check("MODEL.ROI_BOX_HEAD.FC_DIM", 64, resume=True)


@pytest.mark.fault(
    "interruption",
    "A checkpoint that is absent or cut short to go on from, in Detectron2",
    "one sentence names it",
    tries=2,
)
def test_a_checkpoint_that_is_gone_or_cut_off_is_named(dataset, check, tmp_path):
    dataset("cars", {})
    save_checkpoint(check())
    path = tmp_path / "out" / "model_0000001.pth"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model_0000001.pth is not a whole checkpoint"):
        check(resume=True)
    path.unlink()
    with pytest.raises(InputError, match=r"last_checkpoint names .*model_0000001.pth"):
        check(resume=True)


def test_a_checkpoint_of_another_network_is_not_tested(dataset, check, tmp_path):
    """Detectron2 would leave out what does not fit, and score the rest."""
    dataset("cars", {})
    plain, styled = (tmp_path / name / "model_0000001.pth" for name in ("plain", "styled"))
    save_checkpoint(check("OUTPUT_DIR", plain.parent, file=PLAIN))
    save_checkpoint(check("OUTPUT_DIR", styled.parent))
    check("MODEL.WEIGHTS", styled, eval_only=True)
    check("MODEL.WEIGHTS", plain, eval_only=True)  # with SNR as it starts
    check("MODEL.WEIGHTS", styled, "MODEL.SNR.TRUST", False, eval_only=True)
    saved = torch.load(styled, weights_only=True)["model"]
    wrapped = {f"module.{name}": value for name, value in saved.items()}
    torch.save({"model": wrapped}, tmp_path / "wrapped.pth")  # of DistributedDataParallel
    check("MODEL.WEIGHTS", tmp_path / "wrapped.pth", eval_only=True)
    with pytest.raises(InputError, match=r"has, and this model lacks, backbone.*\.snr\."):
        check("MODEL.WEIGHTS", styled, eval_only=True, file=PLAIN)
    with pytest.raises(InputError, match="has, and this model lacks"):  # nothing to go on from
        check("MODEL.WEIGHTS", styled, eval_only=True, resume=True, file=PLAIN)
    wide = ("MODEL.ROI_BOX_HEAD.FC_DIM", 64, "MODEL.WEIGHTS", styled)
    with pytest.raises(InputError, match="is of another network: it has another shape of roi_he"):
        check(*wide, eval_only=True)
    check(*wide)  # a start
    torch.save({"model": {"a.weight": torch.ones(1)}}, styled)
    with pytest.raises(InputError, match="is of another network: it lacks backbone"):
        check("MODEL.WEIGHTS", styled, eval_only=True)


def test_what_the_adaptation_alone_needs_may_be_there_or_not(dataset, check, tmp_path):
    dataset("cars", {})
    cfg = check(file=PLAIN)
    state = build_model(cfg).state_dict()
    path = tmp_path / "adapted.pth"
    torch.save({"model": {**state, "image_classifiers.p2.weight": torch.ones(1)}}, path)
    check("MODEL.WEIGHTS", path, eval_only=True, file=PLAIN)


def optimizer_saved(cfg, **more):
    """As Detectron2's trainer keeps itself in a checkpoint."""
    state = build_optimizer(cfg, build_model(cfg)).state_dict()
    path = Path(cfg.OUTPUT_DIR) / "model_0000001.pth"
    saved = torch.load(path, weights_only=True)
    torch.save({**saved, "trainer": {"_trainer": {"optimizer": state, **more}}}, path)


def test_another_optimizer_is_not_gone_on_with(dataset, check, caplog):
    dataset("cars", {})
    cfg = check()
    save_checkpoint(cfg)
    optimizer_saved(cfg)
    check(resume=True)
    with pytest.raises(InputError, match="was written by another optimizer, or with other stages"):
        check("SOLVER.BIAS_LR_FACTOR", 2.0, resume=True)
    check("SOLVER.BIAS_LR_FACTOR", 2.0, resume=True, eval_only=True)
    logging.getLogger("snr_plugins").propagate = True
    with caplog.at_level(logging.WARNING):
        check(resume=True)
        assert not caplog.records
        check("SOLVER.BASE_LR", 0.7, resume=True)
    assert "whatever SOLVER.BASE_LR says now ([0.7])" in caplog.text


def test_a_batch_that_the_processes_do_not_share_evenly(dataset, check, monkeypatch):
    dataset("cars", {})
    monkeypatch.setattr(comm, "get_world_size", lambda: 3)
    with pytest.raises(
        InputError, match="IMS_PER_BATCH is 8, .* there are 3; take a multiple of 3"
    ):
        check("SOLVER.IMS_PER_BATCH", 8)
    check("SOLVER.IMS_PER_BATCH", 9)
    check("SOLVER.IMS_PER_BATCH", 8, eval_only=True)


def test_masks_and_keypoints_in_a_form_that_trains(dataset, check):
    """As Detectron2's DatasetMapper reads them."""
    runs = {"segmentation": {"size": [32, 48], "counts": [100, 40, 1396]}}
    dataset("runs", runs)
    mask = ("MODEL.MASK_ON", True)
    with pytest.raises(InputError, match="polygon but 1 of the 1 masks of runs are run lengths"):
        check(*mask, train=("runs",), test=("runs",))
    check(*mask, "INPUT.MASK_FORMAT", "bitmask", train=("runs",), test=("runs",))
    check(*mask, eval_only=True, test=("runs",))
    dataset("points", {"keypoints": [5, 5, 2], "num_keypoints": 1})
    points = ("MODEL.KEYPOINT_ON", True, "MODEL.ROI_KEYPOINT_HEAD.NUM_KEYPOINTS", 1)
    with pytest.raises(InputError, match="points does not say its keypoint_names"):
        check(*points, train=("points",), test=())
    MetadataCatalog.get("points").set(keypoint_names=["nose"], keypoint_flip_map=[])
    check(*points, train=("points",), test=())


def test_proposals_of_images_with_words_for_ids(dataset, check, tmp_path):
    dataset("cars", {})
    network = ("MODEL.META_ARCHITECTURE", "ProposalNetwork")
    check(*network)
    file = tmp_path / "cars.json"
    content = json.loads(file.read_text())
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = "a"
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="proposals of images whose ids are numbers, and cars has"):
        check(*network)
    check(*network, test=())


def test_masks_are_needed_for_every_box_that_the_head_sees(dataset, check):
    dataset("cars", {"segmentation": POLYGON}, {})
    mask = ("MODEL.MASK_ON", True)
    check()
    for eval_only in (False, True):
        with pytest.raises(InputError, match="MASK_ON is True but 1 of the 2 boxes of cars"):
            check(*mask, eval_only=eval_only)
    dataset("masks", {"segmentation": POLYGON}, {"iscrowd": 1})
    check(*mask, train=("masks",), test=())  # groups are not trained on
    with pytest.raises(InputError, match="MASK_ON is True but 1 of the 2 boxes of masks"):
        check(*mask, train=("masks",), test=("masks",))  # but scored
    with pytest.raises(InputError, match="KEYPOINT_ON is True but 1 of the 1 boxes of masks"):
        check("MODEL.KEYPOINT_ON", True, train=("masks",), test=())


def test_amp_needs_a_gpu(dataset, check):
    dataset("cars", {})
    amp = ("SOLVER.AMP.ENABLED", True)
    with pytest.raises(InputError, match="SOLVER.AMP.ENABLED .* MODEL.DEVICE is cpu"):
        check(*amp)
    check(*amp, eval_only=True)  # the framework evaluates without


def test_output_dir_that_cannot_be_written(dataset, check, tmp_path):
    dataset("cars", {})
    (tmp_path / "file").touch()
    for below in ("file", "file/out"):
        with pytest.raises(InputError, match=rf"OUTPUT_DIR: .*{below} cannot be written"):
            check("OUTPUT_DIR", tmp_path / below)
    with pytest.raises(InputError, match="OUTPUT_DIR: /proc/out cannot be written"):
        check("OUTPUT_DIR", "/proc/out")
    with pytest.raises(InputError, match="OUTPUT_DIR is empty"):
        check("OUTPUT_DIR", "")


def test_nothing_is_written_where_something_else_is_wrong(dataset, check, tmp_path):
    dataset("cars", {})
    with pytest.raises(InputError):
        check("MODEL.MASK_ON", True)
    assert not (tmp_path / "out").exists()


def test_classes_are_counted_where_the_architecture_counts_them(dataset, check):
    dataset("cars", {})
    with pytest.raises(InputError, match="MODEL.ROI_HEADS.NUM_CLASSES is 8"):
        check("MODEL.ROI_HEADS.NUM_CLASSES", 8)
    check(*RETINANET, 1, "MODEL.ROI_HEADS.NUM_CLASSES", 8, *P3_TO_P6)
    with pytest.raises(InputError, match=r"MODEL.RETINANET.NUM_CLASSES is 80 .* set MODEL.RETINAN"):
        check(*RETINANET, 80)
    with pytest.raises(InputError, match="MODEL.RETINANET.NUM_CLASSES is 80"):
        check("MODEL.META_ARCHITECTURE", "SNRRetinaNet")
    check("MODEL.META_ARCHITECTURE", "ProposalNetwork", "MODEL.ROI_HEADS.NUM_CLASSES", 8)


@pytest.mark.parametrize("kind", ["class", "function"])
def test_an_architecture_of_somebody_else(dataset, check, kind):
    class Mine(RetinaNet):
        pass

    def other(cfg):
        return Mine(cfg)

    dataset("cars", {})
    architecture, key = {
        "class": (Mine, "MODEL.RETINANET.NUM_CLASSES"),
        "function": (other, "MODEL.ROI_HEADS.NUM_CLASSES"),
    }[kind]
    META_ARCH_REGISTRY.register(architecture)
    chosen = ("MODEL.META_ARCHITECTURE", architecture.__name__)
    try:
        check(*chosen, key, 1, *P3_TO_P6)
        with pytest.raises(InputError, match=f"{key} is 80"):
            check(*chosen, key, 80)
    finally:
        META_ARCH_REGISTRY._obj_map.pop(architecture.__name__)


@pytest.mark.parametrize("name", ["PanopticFPN", "SemanticSegmentor"])
def test_architectures_that_learn_from_pixels_are_refused(dataset, check, name):
    dataset("cars", {})
    with pytest.raises(InputError, match=f"MODEL.META_ARCHITECTURE {name}"):
        check("MODEL.META_ARCHITECTURE", name)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((*RETINANET, 1), "GeneralizedRCNN alone, not of RetinaNet"),
        (("MODEL.LOAD_PROPOSALS", True), "MODEL.LOAD_PROPOSALS"),
    ],
)
def test_augmentation_that_the_framework_has_not(dataset, check, overrides, message):
    dataset("cars", {})
    check("TEST.AUG.ENABLED", True)
    with pytest.raises(InputError, match=f"TEST.AUG.ENABLED: .*{message}"):
        check("TEST.AUG.ENABLED", True, *overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ((*RETINANET, 1), "RETINANET.IN_FEATURES: .* puts out p3, p4, p5, p6, not p7"),
        (("MODEL.ROI_HEADS.IN_FEATURES", "['res4']"), "ROI_HEADS.IN_FEATURES: .* not res4"),
        (("MODEL.RPN.IN_FEATURES", "['p3']"), "SIZES has 4 lists for the 1 features of MODEL.RPN"),
        (("MODEL.SNR.STAGES", "['res9']"), "MODEL.SNR.STAGES .* no stage 'res9'"),
    ],
)
def test_heads_that_do_not_fit_the_backbone(dataset, check, tmp_path, overrides, message):
    dataset("cars", {})
    with pytest.raises(InputError, match=message):
        check(*overrides)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sizes", ["[[16, 32]]", "[16, 32]", "[[16], [32], [64], [128]]"])
def test_anchors_as_the_framework_takes_them(dataset, check, sizes):
    dataset("cars", {})
    build_model(check("MODEL.ANCHOR_GENERATOR.SIZES", sizes))
