"""Every registered component in a segmentor: one real step, export, and evaluation."""

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.runner import load_checkpoint, save_checkpoint
from mmseg.registry import MODELS

import snr_plugins.segmentation as package
from snr_plugins.nn import find_snr
from tests.segmentation.networks import (
    BACKBONE,
    CLASSES,
    DRN,
    HEAD,
    RESNET,
    SNR,
    WIDTHS,
    build,
    images,
    raw_batch,
    segmentor,
)

SEPARABLE_ASPP = {
    **HEAD,
    "type": "DepthwiseSeparableASPPHead",
    "dilations": (1, 2),
    "c1_in_channels": 16,
    "c1_channels": 8,
}
DEEPLABV2 = {
    "type": "DeepLabV2Head",
    "in_channels": 128,
    "in_index": 3,
    "num_classes": CLASSES,
    "dilations": (1, 2),
}
AUXILIARY = {**HEAD, "in_channels": 64, "in_index": 2}
OCR = {**HEAD, "type": "OCRHead", "ocr_channels": 8}
OCR.pop("num_convs")
SEPARABLE_ASPP.pop("num_convs")
STAGES = ["backbone.layer1.snr", "backbone.layer2.snr", "backbone.layer3.snr"]

COMPONENTS = {
    "SNRResNet-FCNHead": (segmentor(auxiliary_head=AUXILIARY), STAGES),
    "SNRResNet-bounded": (
        segmentor(
            backbone={**BACKBONE, "snr": {**SNR, "gate": "bounded"}, "snr_stages": ["layer4"]}
        ),
        ["backbone.layer4.snr"],
    ),
    "SNRResNet-static": (
        segmentor(backbone={**BACKBONE, "snr": {**SNR, "gate": "static"}}),
        STAGES,
    ),
    "SNRResNet-closed": (
        segmentor(backbone={**BACKBONE, "snr": {**SNR, "gate": "closed"}}),
        STAGES,
    ),
    "SNRResNetV1c-DepthwiseSeparableASPPHead": (
        segmentor(backbone={**BACKBONE, "type": "SNRResNetV1c"}, decode_head=SEPARABLE_ASPP),
        STAGES,
    ),
    "SNRDRN-DeepLabV2Head": (
        segmentor(backbone={**DRN, "type": "SNRDRN", "snr": SNR}, decode_head=DEEPLABV2),
        ["backbone.layer3.snr", "backbone.layer4.snr", "backbone.layer5.snr"],
    ),
    "SNRNeck-DeepLabV2Head": (
        segmentor(
            backbone=RESNET,
            neck={"type": "SNRNeck", "in_channels": WIDTHS, "in_indices": [2, 3], "snr": SNR},
            decode_head=DEEPLABV2,
            auxiliary_head=AUXILIARY,
        ),
        ["neck.snr.2", "neck.snr.3"],
    ),
    "SNRCascadeEncoderDecoder-FCNHead-OCRHead": (
        segmentor(type="SNRCascadeEncoderDecoder", num_stages=2, decode_head=[HEAD, OCR]),
        STAGES,
    ),
}


@pytest.mark.parametrize(("config", "names"), COMPONENTS.values(), ids=COMPONENTS.keys())
def test_trains_exports_and_evaluates(config, names, tmp_path):
    model = build(config).train()
    assert list(find_snr(model)) == names

    # one real step: every parameter of an SNR or a probe gets a gradient, and moves along it
    ours = {n: p for n, p in model.named_parameters() if n.startswith((*names, "snr_losses."))}
    start = {name: parameter.detach().clone() for name, parameter in ours.items()}
    gradients = {}
    for name, parameter in ours.items():
        parameter.register_hook(lambda gradient, name=name: gradients.update({name: gradient}))
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    values = model.train_step(raw_batch(), optimizer)
    terms = {name: value for name, value in values.items() if "loss" in name and name != "loss"}
    assert {"loss_snr_restitution", "loss_snr_probe"} < set(terms)
    torch.testing.assert_close(values["loss"], sum(terms.values()))
    for name, parameter in ours.items():
        assert gradients[name].abs().sum() > 0, name
        torch.testing.assert_close(parameter.data, start[name] - 0.1 * gradients[name])

    model.eval()
    inputs = images()
    with torch.no_grad():
        scores = model(inputs, mode="tensor")
        predicted = model.test_step(raw_batch())
    assert predicted[0].pred_sem_seg.shape == (64, 64)

    # exported with MMEngine's own functions, into a fresh model
    file = str(tmp_path / "model.pth")
    save_checkpoint({"state_dict": model.state_dict()}, file)
    fresh = build(config, seed=1).eval()
    load_checkpoint(fresh, file, strict=True)
    # the restitution loss and its probes leave no trace in the output
    without = build({**config, "snr_loss_weight": 0.0, "snr_probe_weight": 0.0}, seed=1).eval()
    load_checkpoint(without, file)
    assert not [key for key in without.state_dict() if key.startswith("snr_losses.")]
    with torch.no_grad():
        assert torch.equal(fresh(inputs, mode="tensor"), scores)
        assert torch.equal(without(inputs, mode="tensor"), scores)


@pytest.mark.parametrize(
    "name",
    [
        "SNRResNet",
        "SNRResNetV1c",
        "SNRDRN",
        "DRN",
        "SNREncoderDecoder",
        "SNRCascadeEncoderDecoder",
        "DeepLabV2Head",
    ],
)
def test_what_is_bound_to_mmsegmentation_is_in_its_registry_alone(name):
    """In MMEngine's root it would collide with what other packages call the same."""
    assert MODELS.module_dict[name].__module__.startswith("snr_plugins.")
    assert name not in ROOT_MODELS.module_dict
    assert name in package.__all__


@pytest.mark.parametrize("name", ["SNRBackbone", "SNRNeck", "SNR"])
def test_what_needs_mmengine_alone_is_found_from_every_package(name):
    assert ROOT_MODELS.module_dict[name] is MODELS.get(name)
    assert name not in MODELS.module_dict
