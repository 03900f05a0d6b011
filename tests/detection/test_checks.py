"""What a run lacks is said in one sentence before anything is written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.modeling import META_ARCH_REGISTRY, RetinaNet, build_model

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
