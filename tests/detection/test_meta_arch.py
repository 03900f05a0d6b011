"""What the plain detector can do, the one with SNR can: script, pickle, checkpoint, be mixed."""

import copy
import io

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.config import get_cfg
from detectron2.export import scripting_with_instances
from detectron2.model_zoo import get_config_file
from detectron2.modeling import build_model
from detectron2.structures import Boxes
from detectron2.utils.events import EventStorage
from torch.utils.checkpoint import checkpoint

from snr_plugins.detection import add_snr_config
from snr_plugins.errors import InputError
from snr_plugins.nn import find_snr, untrained
from tests.detection.test_models import C4, FPN, SMALL, batch, config

FIELDS = {
    "proposal_boxes": Boxes,
    "objectness_logits": torch.Tensor,
    "pred_boxes": Boxes,
    "scores": torch.Tensor,
    "pred_classes": torch.Tensor,
}


def spread(model):
    """Random statistics of every norm, so that a detector without training finds something."""
    torch.manual_seed(3)
    with torch.no_grad():
        for snr in find_snr(model).values():
            snr.norm.weight.uniform_(0.5, 1.5)
            snr.norm.bias.normal_(0, 0.3)
    return model


def test_scripts_as_the_plain_detector_does():
    torch.manual_seed(0)
    model = spread(build_model(config(FPN, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.01))).eval()
    scripted = scripting_with_instances(model, FIELDS)
    inputs = [{"image": x["image"]} for x in batch()]
    with torch.no_grad():
        expected = model.inference(inputs, do_postprocess=False)
        got = scripted.inference(inputs, do_postprocess=False)
    for theirs, ours in zip(expected, got, strict=True):
        assert len(theirs) > 0
        torch.testing.assert_close(
            ours.pred_boxes.tensor, theirs.pred_boxes.tensor, atol=1e-2, rtol=1e-3
        )


def test_a_first_batch_that_fails_takes_no_calibrated_start_away():
    model = build_model(config(C4)).train()
    broken = [{**x, "image": "no tensor"} for x in batch()]
    with EventStorage():
        with pytest.raises(AttributeError):
            model(broken)
        assert len(untrained(model.backbone)) == len(find_snr(model.backbone))
        model(batch())
    assert not untrained(model.backbone)


@pytest.mark.parametrize("moment", ["new", "after a step"])
@pytest.mark.parametrize("path", [C4, FPN], ids=["C4", "FPN"])
def test_saves_and_copies_whole(path, moment):
    model = build_model(config(path)).train()
    if moment != "new":
        with EventStorage():
            sum(model(batch()).values()).backward()
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    x = torch.randn(1, 3, 64, 64)
    for other in (torch.load(file), copy.deepcopy(model)):
        for name, expected in model.backbone(x).items():
            assert torch.equal(other.backbone(x)[name], expected)
        with EventStorage():  # the loss of the copy observes the copy's SNRs
            losses = other.train()(batch())
        sum(losses.values()).backward()
        assert all(snr.gate.fc2.weight.grad is not None for snr in find_snr(other).values())


class Checkpointed(torch.nn.Module):
    def __init__(self, stage, reentrant):
        super().__init__()
        self.stage, self.reentrant = stage, reentrant

    def forward(self, x):
        return checkpoint(self.stage, x, use_reentrant=self.reentrant)


def losses_and_gradients(reentrant):
    torch.manual_seed(0)
    model = build_model(config(C4, "MODEL.BACKBONE.FREEZE_AT", 0)).train()
    if reentrant is not None:
        model.backbone.stages[1] = Checkpointed(model.backbone.stages[1], reentrant)
    torch.manual_seed(1)
    with EventStorage():
        losses = model(batch())
    sum(losses.values()).backward()
    return losses, model.backbone.res3.snr.gate.fc1.weight.grad


def test_checkpointed_stage_is_right_or_refused():
    losses, gradient = losses_and_gradients(None)
    got, its_gradient = losses_and_gradients(False)
    for name, loss in losses.items():
        torch.testing.assert_close(got[name], loss)
    torch.testing.assert_close(its_gradient, gradient)
    with pytest.raises(InputError, match=r"res3\.snr runs inside activation checkpointing"):
        losses_and_gradients(True)


def test_one_stage_detector_by_the_same_mixin():
    """RetinaNet counts its classes in a key of its own, and so do the probes."""
    cfg = get_cfg()
    add_snr_config(cfg)
    cfg.merge_from_file(get_config_file("COCO-Detection/retinanet_R_50_FPN_1x.yaml"))
    cfg.merge_from_list(
        [
            *(*SMALL, "MODEL.RETINANET.NUM_CLASSES", 6, "MODEL.META_ARCHITECTURE", "SNRRetinaNet"),
            *("MODEL.BACKBONE.NAME", "build_snr_backbone"),
            *("MODEL.SNR.BACKBONE", "build_retinanet_resnet_fpn_backbone"),
        ]
    )
    model = build_model(cfg).train()
    assert model.snr_losses["bottom_up_res2"].probe.out_features == 6
    with EventStorage():
        losses = model(batch())
    assert {"loss_cls", "loss_box_reg", "loss_snr_restitution", "loss_snr_probe"} == set(losses)
    sum(losses.values()).backward()
    assert all(snr.gate.fc2.weight.grad.abs().sum() > 0 for snr in find_snr(model).values())
