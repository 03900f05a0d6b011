"""Detectors of Detectron2's model zoo take SNR by the two lines that docs/detection.md gives."""

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2 import model_zoo
from detectron2.config import LazyCall as L
from detectron2.config import get_cfg, instantiate
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances, Keypoints, PolygonMasks
from detectron2.utils.events import EventStorage

from snr_plugins.detection import SNRFCOS, add_snr_config, put_in
from snr_plugins.errors import InputError
from snr_plugins.nn import find_snr
from tests.detection.test_models import SMALL

RCNN = ("SNRGeneralizedRCNN", "build_snr_resnet_fpn_backbone")
ZOO = {
    "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml": RCNN,
    "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml": RCNN,
    "Misc/cascade_mask_rcnn_R_50_FPN_1x.yaml": RCNN,
    "COCO-Detection/retinanet_R_50_FPN_1x.yaml": (
        "SNRRetinaNet",
        "build_snr_retinanet_resnet_fpn_backbone",
    ),
    "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.yaml": (
        "SNRPanopticFPN",
        "build_snr_resnet_fpn_backbone",
    ),
}
FEW = [  # proposals and channels
    *("MODEL.RPN.BATCH_SIZE_PER_IMAGE", 16, "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 8),
    *("MODEL.RPN.PRE_NMS_TOPK_TRAIN", 20, "MODEL.RPN.POST_NMS_TOPK_TRAIN", 20),
    *("MODEL.FPN.OUT_CHANNELS", 32, "MODEL.ROI_BOX_HEAD.FC_DIM", 32),
    *("MODEL.ROI_MASK_HEAD.CONV_DIM", 16, "MODEL.ROI_KEYPOINT_HEAD.CONV_DIMS", [16]),
    *("MODEL.SEM_SEG_HEAD.CONVS_DIM", 32, "MODEL.RETINANET.NUM_CONVS", 1),
]


def zoo_config(path, meta_architecture, backbone, *overrides):
    cfg = get_cfg()
    add_snr_config(cfg)
    cfg.merge_from_file(model_zoo.get_config_file(path))
    cfg.MODEL.META_ARCHITECTURE = meta_architecture  # the two lines
    cfg.MODEL.BACKBONE.NAME = backbone
    cfg.merge_from_list([*SMALL, *FEW, *overrides])
    return cfg


def batch(height=96, width=160):
    """An image with two people, whatever a detector may ask of them."""
    torch.manual_seed(0)
    truth = Instances((height, width))
    truth.gt_boxes = Boxes(torch.tensor([[8.0, 8, 60, 70], [70, 20, 150, 90]]))
    truth.gt_classes = torch.zeros(2, dtype=torch.long)
    corners = [[[b[0], b[1], b[2], b[1], b[2], b[3]]] for b in truth.gt_boxes.tensor.tolist()]
    truth.gt_masks = PolygonMasks(corners)
    spots = truth.gt_boxes.get_centers()[:, None].repeat(1, 17, 1)
    truth.gt_keypoints = Keypoints(torch.cat([spots, torch.full((2, 17, 1), 2.0)], 2))
    image = 255 * torch.rand(3, height, width)
    stuff = torch.randint(0, 54, (height, width))
    return [{"image": image, "instances": truth, "sem_seg": stuff}]


def check_step(model, names):
    assert list(find_snr(model.backbone)) == names
    with EventStorage():
        losses = model.train()(batch())
    assert losses["loss_snr_restitution"] > 0
    classes = [len(loss.probe.bias) for loss in model.snr_losses.values()]
    assert (losses["loss_snr_probe"] > 0) == (classes[0] > 1)  # people alone: nothing to tell
    sum(losses.values()).backward()
    for snr in find_snr(model.backbone).values():
        assert all(parameter.grad is not None for parameter in snr.parameters())
        assert snr.norm.weight.grad.abs().sum() > 0


NAMES = [f"bottom_up.{stage}.snr" for stage in ("res2", "res3", "res4")]


@pytest.mark.parametrize("path", ZOO)
def test_config_of_the_zoo_and_two_lines(path):
    torch.manual_seed(0)
    check_step(build_model(zoo_config(path, *ZOO[path])), NAMES)


def test_fcos_of_the_zoo():
    model = model_zoo.get_config("COCO-Detection/fcos_R_50_FPN_1x.py").model
    model.backbone = L(put_in)(backbone=model.backbone, after=["res2", "res3", "res4"])
    model._target_ = SNRFCOS
    model.snr_num_classes = 80
    torch.manual_seed(0)
    check_step(instantiate(model), NAMES)


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        ("resnet10t", {}, ["layer1", "layer2", "layer3"]),
        (
            "swin_tiny_patch4_window7_224",  # (N, H, W, C); takes other sizes by this option
            {"STRICT_IMG_SIZE": False, "EMBED_DIM": 24, "DEPTHS": (1, 1, 1, 1)},
            ["layers_0", "layers_1", "layers_2"],
        ),
    ],
)
def test_any_network_of_timm(name, options, names):
    pytest.importorskip("timm")
    cfg = zoo_config(
        "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml",
        *("SNRGeneralizedRCNN", "build_snr_timm_fpn_backbone", "MODEL.TIMM.NAME", name),
        *("MODEL.TIMM.FROZEN_BN", False),
    )
    cfg.MODEL.TIMM.OPTIONS.update(options)
    torch.manual_seed(0)
    model = build_model(cfg)
    check_step(model, [f"bottom_up.body.{stage}.snr" for stage in names])
    assert [snr.stride for snr in find_snr(model.backbone).values()] == [4, 8, 16]
    maps = model.eval().backbone(torch.rand(1, 3, 96, 160))
    assert [tuple(x.shape[2:]) for x in maps.values()][:4] == [(24, 40), (12, 20), (6, 10), (3, 5)]


@pytest.mark.parametrize("name", ["resnet10t", "regnety_002", "mobilenetv3_small_050"])
def test_frozen_norms_of_timm_compute_what_they_did(name):
    """Those of many networks have the activation inside."""
    pytest.importorskip("timm")
    cfg = zoo_config(
        "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml",
        *("GeneralizedRCNN", "build_timm_fpn_backbone", "MODEL.TIMM.NAME", name),
        *("MODEL.TIMM.FROZEN_BN", False),
    )
    learning = build_model(cfg).backbone.bottom_up
    generator = torch.Generator().manual_seed(0)
    for key, value in learning.state_dict().items():
        if "running" in key:
            value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    cfg.MODEL.TIMM.FROZEN_BN = True
    frozen = build_model(cfg).backbone.bottom_up
    frozen.load_state_dict(learning.state_dict())
    images = torch.rand(2, 3, 64, 96, generator=generator)
    with torch.no_grad():
        expected = learning.eval()(images)
        for mode in (True, False):
            for feature, value in frozen.train(mode)(images).items():
                torch.testing.assert_close(value, expected[feature])
    sum(value.sum() for value in frozen.train()(images).values()).backward()
    gradients = [p.grad for p in frozen.parameters()]
    assert gradients and all(g is not None and g.isfinite().all() for g in gradients)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in frozen.modules())


def test_tokens_find_their_rows_for_the_boxes():
    """Twins' stages put out tokens; the loss pools boxes from the map that they are."""
    pytest.importorskip("timm")
    cfg = zoo_config(
        "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml",
        *("SNRGeneralizedRCNN", "build_snr_timm_fpn_backbone", "MODEL.TIMM.NAME"),
        *("twins_svt_small", "MODEL.SNR.STAGES", ["body.model.blocks.0", "body.model.blocks.1"]),
    )
    cfg.MODEL.TIMM.OPTIONS.update({"DEPTHS": (1, 1, 1, 1), "EMBED_DIMS": (16, 16, 32, 32)})
    torch.manual_seed(0)
    names = [f"bottom_up.body.model.blocks.{i}.0.snr" for i in (0, 1)]
    check_step(build_model(cfg), names)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.TIMM.NAME", "resnet51"], "MODEL.TIMM.NAME: timm .* has no network 'resnet51'"),
        (["MODEL.TIMM.NAME", "vit_tiny_patch16_224"], r"strides \[16, 16, 16\].*with stages"),
        (["MODEL.TIMM.NAME", "shvit_s1"], "MODEL.FPN.IN_FEATURES: shvit_s1 has no res2; choose"),
        (
            ["MODEL.TIMM.NAME", "hrnet_w18_small"],
            r"MODEL.SNR.STAGES .* names 'stage1', which is no module",
        ),
    ],
)
def test_wrong_network_is_one_sentence(overrides, message):
    pytest.importorskip("timm")
    path = "COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml"
    cfg = zoo_config(path, "SNRGeneralizedRCNN", "build_snr_timm_fpn_backbone", *overrides)
    with pytest.raises(InputError, match=message):
        build_model(cfg)
