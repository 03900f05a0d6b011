"""One step of the mean teacher against the method written out; what answers; what is saved."""

import copy

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.modeling import GeneralizedRCNN
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage

from snr_plugins.detection.adaptation.strong_view import strong_view
from snr_plugins.errors import InputError
from tests.detection.adaptation.models import C4, FPN, gradients, mixed, model_of, source, target

# a network that has learned nothing is sure of nothing
LOW = ("MODEL.MEAN_TEACHER.THRESHOLD", 0.12, "MODEL.MEAN_TEACHER.BURN_IN", 0)
KEYS = (*LOW, "MODEL.MEAN_TEACHER.TARGET_WEIGHT", 0.7, "MODEL.MEAN_TEACHER.TARGET_BOX_WEIGHT", 0.5)


def pseudo(teacher, images):
    """Boxes of a plain detector whose score is high enough."""
    truth = []
    for found in GeneralizedRCNN.inference(teacher.eval(), images, do_postprocess=False):
        sides = found.pred_boxes.tensor[:, 2:] - found.pred_boxes.tensor[:, :2]
        keep = (found.scores >= 0.12) & (sides > 1).all(1)
        instances = Instances(found.image_size)
        instances.gt_boxes = Boxes(found.pred_boxes.tensor[keep])
        instances.gt_classes = found.pred_classes[keep]
        truth.append(instances)
    return truth


@pytest.mark.parametrize("path", [C4, FPN], ids=["C4", "FPN"])
def test_one_step_equals_the_textbook(path):
    model = model_of(f"{path}_mean_teacher", *KEYS)
    teacher = copy.deepcopy(model)  # the first teacher is the student
    with torch.no_grad():
        truth = pseudo(teacher, [{"image": x["image"]} for x in target()])
    assert sum(map(len, truth)) > 0
    generator = torch.Generator().manual_seed(3)
    views = [
        {"image": strong_view(x["image"], generator), "instances": t}
        for x, t in zip(target(), truth, strict=True)
    ]
    torch.manual_seed(1)
    with EventStorage(3):
        expected = GeneralizedRCNN.forward(model, source())
        of_target = GeneralizedRCNN.forward(model, views)
    for name, loss in of_target.items():
        places = 0.5 if name in ("loss_rpn_loc", "loss_box_reg") else 1.0
        expected[f"{name}_target"] = 0.7 * places * loss
    sum(expected.values()).backward()
    wanted = gradients(model)
    model.zero_grad()

    torch.manual_seed(1)
    with EventStorage(3):
        losses = model(mixed())
    assert losses.keys() == expected.keys()
    for name, loss in expected.items():
        torch.testing.assert_close(losses[name], loss)
    sum(losses.values()).backward()
    found = gradients(model)
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_the_teacher_follows_and_answers():
    model = model_of(f"{C4}_mean_teacher", *LOW, "MODEL.MEAN_TEACHER.MOMENTUM", 0.25)
    name = "roi_heads.box_predictor.cls_score.weight"
    weight = dict(model.named_parameters())[name]
    inputs = [{"image": x["image"]} for x in target()]
    for value in (0.01, 0.05):
        with torch.no_grad():
            weight.fill_(value)
        with EventStorage():
            model(mixed())
    of_teacher = dict(model.teacher.module.named_parameters())[name]
    torch.testing.assert_close(of_teacher, torch.full_like(weight, 0.25 * 0.01 + 0.75 * 0.05))
    model.eval()
    plain = copy.deepcopy(model.teacher.module)
    with torch.no_grad():
        for got, theirs in zip(
            model(inputs), GeneralizedRCNN.inference(plain, inputs), strict=True
        ):
            assert torch.equal(got["instances"].scores, theirs["instances"].scores)
        assert torch.equal(
            model.inference(inputs)[0]["instances"].scores, model(inputs)[0]["instances"].scores
        )


def test_burn_in_sees_the_source_alone():
    model = model_of(f"{C4}_mean_teacher", *LOW[:2], "MODEL.MEAN_TEACHER.BURN_IN", 5)
    for iteration, adapts in ((0, False), (4, False), (5, True)):
        with EventStorage(iteration):
            assert ("loss_cls_target" in model(mixed())) == adapts
    assert model.teacher.updates == 1


@pytest.mark.parametrize("heads", ["StandardROIHeads", "CascadeROIHeads"])
def test_places_and_masks_are_the_sources_alone(heads):
    keys = ("MODEL.MASK_ON", True, "MODEL.ROI_MASK_HEAD.NUM_CONV", 1, "MODEL.ROI_HEADS.NAME", heads)
    keys += ("MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", heads == "CascadeROIHeads")
    model = model_of(f"{FPN}_mean_teacher", *LOW, *keys)
    batch = mixed()
    for x in batch:
        if truth := x.get("instances"):
            truth.gt_masks = BitMasks(torch.ones(len(truth), *truth.image_size))
    with EventStorage() as storage:
        losses = model(batch)
    assert storage.latest()["adaptation/teacher_boxes_per_image"][0] > 0
    of_target = {name for name in losses if name.endswith("_target")}
    assert "loss_mask" in losses and any("box_reg" in name for name in losses)
    assert of_target and not any("mask" in n or "box_reg" in n or "loc" in n for n in of_target)
    assert model.roi_heads.mask_on


def test_norms_of_the_mask_head_learn_from_the_source():
    """The target does not reach it: all that it sees is the source."""
    keys = ("MODEL.MASK_ON", True, "MODEL.ROI_MASK_HEAD.NUM_CONV", 1, "MODEL.ROI_MASK_HEAD.NORM")
    model = model_of(f"{FPN}_mean_teacher", *LOW, *keys, "BN")
    batch = mixed()
    for x in batch:
        if truth := x.get("instances"):
            truth.gt_masks = BitMasks(torch.ones(len(truth), *truth.image_size))
    (norm,) = (
        m for m in model.roi_heads.mask_head.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )
    seen = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].mean((0, 2, 3))))
    with EventStorage():
        model(batch)
    (mean,) = seen
    torch.testing.assert_close(norm.running_mean, 0.1 * mean.detach())


def test_what_cannot_be_learned_is_left_out():
    """Boxes of no width, as at an image's edge; and losses without weight, maybe infinite."""
    model = model_of(f"{C4}_mean_teacher", *LOW)
    inference = type(model.teacher.module).inference

    class Teacher(type(model.teacher.module)):
        def inference(self, *args, **kwargs):
            outputs = inference(self, *args, **kwargs)
            for output in outputs:
                output.pred_boxes.tensor[:, 2] = output.pred_boxes.tensor[:, 0]
            return outputs

    model.teacher.module.__class__ = Teacher
    with EventStorage() as storage:
        losses = model(mixed())
    assert storage.latest()["adaptation/teacher_boxes_per_image"][0] == 0
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert {n for n in losses if n.endswith("_target")} == {
        "loss_cls_target",
        "loss_rpn_cls_target",
    }


def test_what_heads_log_is_of_the_source():
    model = model_of(f"{FPN}_mean_teacher", *LOW)
    with EventStorage() as storage:
        model(mixed())
    # 16 RoIs of each image, a quarter of them at most on a box; the target's would stand last
    assert len(storage.history("roi_head/num_fg_samples").values()) == 1
    assert "adaptation/teacher_boxes_per_image" in storage.latest()


def test_the_restitution_loss_and_the_calibrated_start_are_of_the_source():
    model = model_of(f"{FPN}_mean_teacher_snr", *LOW)
    with EventStorage():
        losses = model(mixed())
    assert {"loss_snr_restitution", "loss_snr_probe", "loss_cls_target"} <= set(losses)
    assert not any(name.startswith("loss_snr") and name.endswith("_target") for name in losses)
    norm = "backbone.bottom_up.res2.snr.norm.weight"
    weights = [dict(m.named_parameters())[norm] for m in (model, model.teacher.module)]
    assert torch.equal(*weights) and (weights[0] != 1).all()
    model.eval()
    with torch.no_grad():
        (answer, _) = model([{"image": x["image"]} for x in target()])
    assert "bottom_up.res2.snr" in answer["style_distance"]


def test_nothing_of_the_teacher_trains():
    model = model_of(f"{C4}_mean_teacher")
    assert not [name for name, _ in model.named_parameters() if "teacher" in name]
    assert [name for name in model.state_dict() if name.startswith("teacher.module/")]


def test_threshold_is_checked():
    with pytest.raises(InputError, match="MEAN_TEACHER.THRESHOLD is 80"):
        model_of(f"{C4}_mean_teacher", "MODEL.MEAN_TEACHER.THRESHOLD", 80.0)


def test_strong_view_leaves_the_image_and_its_size_and_follows_its_generator():
    image = 255 * torch.rand(3, 40, 60)
    before = image.clone()
    views = [strong_view(image, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(image, before)
    assert torch.equal(views[0], views[1]) and not torch.equal(views[0], views[2])
    for view in views:
        assert view.shape == image.shape and view.min() >= 0 and view.max() <= 255
        assert (view - image).abs().mean() > 5
