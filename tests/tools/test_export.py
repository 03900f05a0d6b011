"""Exported files find in real pictures what the model finds, at sizes they were not exported with.

Networks are thin and untrained but for their styles; a low threshold lets them find objects. What
SNR adds to a graph is counted against the plain network's.
"""

from collections import Counter
from pathlib import Path

import cv2
import export
import numpy as np
import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.checkpoint import DetectionCheckpointer
from exporting.formats import FORMATS
from exporting.task import MapTask, flat
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmseg.apis import inference_model, init_model
from mmseg.registry import MODELS
from torch import nn

from snr_plugins.configs import config_path
from snr_plugins.detection.config import load_config
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError
from snr_plugins.nn import find_snr, insert_snr
from snr_plugins.openmmlab.launch import load_config as load_mmengine_config

CITY = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml"
C4 = "detection/faster_rcnn_R_50_C4_cityscapes_to_foggy_snr.yaml"
TAUGHT = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city_to_foggy_mean_teacher_snr.yaml"
THIN = (
    "MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.RESNETS.DEPTH", 18,
    "MODEL.RESNETS.RES2_OUT_CHANNELS", 64, "MODEL.RESNETS.STEM_OUT_CHANNELS", 16,
    "MODEL.ROI_BOX_HEAD.FC_DIM", 32, "MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.01,
    "MODEL.RPN.POST_NMS_TOPK_TEST", 20, "INPUT.MIN_SIZE_TEST", 96,
)  # fmt: skip


def learn_styles(model, forward):
    """Norms of a trained network, and enough batches for trust to have a distance.

    A teacher has it all; its student then becomes another.
    """
    with torch.no_grad():
        for snr in find_snr(model).values():
            snr.norm.weight.uniform_(0.5, 1.5)
            snr.norm.bias.uniform_(-0.3, 0.3)
        model.train()
        for _ in range(17):
            forward(torch.randn(4, 3, 64, 64))
        if hasattr(model, "teacher"):
            model.teacher.follow(model)
            for weight in model.parameters():
                weight.mul_(0.7)
    return model.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def picture(datasets):
    """A street of the synthetic city's kind."""
    return next((datasets / "synthetic_city").rglob("*_leftImg8bit.png"))


def save_detector(folder, config):
    cfg = load_config(config_path(config), [*THIN, "OUTPUT_DIR", str(folder)])
    torch.manual_seed(0)
    model = Trainer.build_model(cfg)
    learn_styles(model, model.backbone)
    DetectionCheckpointer(model, str(folder)).save("model_final")
    (folder / "config.yaml").write_text(cfg.dump())
    return folder / "model_final.pth"


@pytest.fixture(scope="module")
def fpn(folder):
    (folder / "fpn").mkdir()
    return save_detector(folder / "fpn", CITY)


@pytest.fixture(scope="module")
def c4(folder):
    (folder / "c4").mkdir()
    return save_detector(folder / "c4", C4)


@pytest.fixture(scope="module")
def taught(folder):
    (folder / "taught").mkdir()
    return save_detector(folder / "taught", TAUGHT)


def save_segmentor(folder, config):
    """Of a quarter's width, with what its heads then take."""
    cfg = load_mmengine_config(str(config_path(f"segmentation/{config}.py")))
    backbone, heads = cfg.model.backbone, [cfg.model.decode_head, cfg.model.auxiliary_head]
    backbone.update(depth=18, base_channels=16, stem_channels=16, init_cfg=None)
    for head in heads:
        head.in_channels = 16 * 2 ** (head.in_index % 4)
        if "c1_in_channels" in head:
            head.update(c1_in_channels=16)
    cfg.model.data_preprocessor.update(bgr_to_rgb=True)  # so that the file must do it too
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    learn_styles(model, model.extract_feat)
    folder.mkdir()
    meta = {"dataset_meta": {"classes": ["x"] * 11, "palette": [[0, 0, 0]] * 11}}
    save_checkpoint({"state_dict": model.state_dict(), "meta": meta}, str(folder / "iter_1.pth"))
    cfg.dump(str(folder / "config.py"))
    return folder / "iter_1.pth"


@pytest.fixture(scope="module")
def fcn(folder):
    return save_segmentor(folder / "fcn", "fcn_thin_r50_camvid_snr")


@pytest.fixture(scope="module")
def deeplab(folder):
    return save_segmentor(folder / "deeplab", "deeplabv3plus_thin_r50_camvid_snr")


@pytest.fixture(scope="module")
def taught_deeplab(folder):
    name = "adaptation/deeplabv3plus_thin_r50_camvid_to_dusk_mean_teacher_snr"
    return save_segmentor(folder / "taught_deeplab", name)


def write(checkpoint, kind, out, picture, *words):
    if kind == "onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    arguments = [checkpoint, "--format", kind, "--out", out, "--image", picture, *words]
    export.export(export.parse([str(argument) for argument in arguments]))
    _, run = FORMATS[kind]
    return lambda example: run(out.read_bytes(), example)


def pixels(picture, size=None):
    image = cv2.imread(str(picture))
    return cv2.resize(image, size) if size else image


@pytest.mark.parametrize("kind", ["onnx", "torchscript"])
@pytest.mark.parametrize("network", ["fpn", "c4", "taught"])
def test_a_detectors_file_finds_what_the_detector_finds(network, kind, picture, tmp_path, request):
    checkpoint = request.getfixturevalue(network)
    run = write(checkpoint, kind, tmp_path / "net", picture, "--style-distance")
    model = Trainer.build_model(load_config(str(checkpoint.with_name("config.yaml")))).eval()
    DetectionCheckpointer(model).load(str(checkpoint))
    street = torch.from_numpy(pixels(picture, (208, 120)).transpose(2, 0, 1)).float()
    with torch.no_grad():
        (found,) = model([{"image": street}])
        (whole,) = model.inference([{"image": street}], do_postprocess=False)
    boxes, classes, scores, size, distances = run(street)
    assert len(scores) == len(whole) > 0
    torch.testing.assert_close(boxes, whole.pred_boxes.tensor, atol=0.1, rtol=0)
    torch.testing.assert_close(scores, whole.scores, atol=1e-3, rtol=0)
    assert torch.equal(classes, whole.pred_classes) and size.tolist() == [120, 208]
    own = torch.stack([*found["style_distance"].values()])
    assert (own > 0).all()
    torch.testing.assert_close(distances, own, rtol=1e-3, atol=0)


@pytest.mark.parametrize("kind", ["onnx", pytest.param("torch_export", marks=pytest.mark.slow)])
@pytest.mark.parametrize("network", ["fpn", "c4"])
def test_a_backbones_file_takes_any_size_and_batch(network, kind, picture, tmp_path, request):
    checkpoint = request.getfixturevalue(network)
    run = write(checkpoint, kind, tmp_path / "net", picture, "--backbone")
    model = Trainer.build_model(load_config(str(checkpoint.with_name("config.yaml")))).eval()
    DetectionCheckpointer(model).load(str(checkpoint))
    streets = 255 * torch.rand(3, 3, 160, 96)
    with torch.no_grad():
        expected = model.backbone(model.preprocess_image([{"image": x} for x in streets]).tensor)
    found = run(streets)
    assert len(found) == len(expected)
    for a, b in zip(found, expected.values(), strict=True):
        # sums of some forty layers in another order
        torch.testing.assert_close(a, b, atol=1e-3 * float(b.abs().max()), rtol=1e-3)


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        ("fcn", "onnx"),
        ("fcn", "torchscript"),
        pytest.param("fcn", "torch_export", marks=pytest.mark.slow),
        ("deeplab", "onnx"),
        ("deeplab", "torchscript"),
        ("taught_deeplab", "onnx"),
    ],
)
def test_a_segmentors_file_labels_as_the_segmentor(network, kind, picture, tmp_path, request):
    checkpoint = request.getfixturevalue(network)
    words = [] if kind == "torch_export" else ["--style-distance"]
    run = write(checkpoint, kind, tmp_path / "net", picture, *words)
    street = pixels(picture, (160, 96))
    street[..., 0] //= 3  # blue is not red
    cfg = load_mmengine_config(str(checkpoint.with_name("config.py")))
    cfg.test_pipeline = [{"type": "LoadImageFromFile"}, {"type": "PackSegInputs"}]
    model = init_model(cfg, str(checkpoint), device="cpu")
    samples = inference_model(model, [street] * 3)  # by the framework's pipeline and preprocessor
    batch = torch.from_numpy(np.stack([street] * 3)).permute(0, 3, 1, 2).float()
    logits, *distances = run(batch)
    for index, sample in enumerate(samples):
        expected = sample.seg_logits.data
        assert expected.std() > 0
        torch.testing.assert_close(logits[index], expected, atol=1e-4, rtol=1e-4)
        if words:
            own = torch.tensor([*sample.metainfo["style_distance"].values()])
            torch.testing.assert_close(distances[0][index], own, rtol=1e-3, atol=0)


class Maps(nn.Module):
    """Features of a thin network with stages, with SNR after three of them or not at all."""

    def __init__(self, snr):
        super().__init__()
        torch.manual_seed(0)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in ((3, 16), (16, 32), (32, 48))
            )
        )
        if snr:
            insert_snr(self.stages, after=["0", "1", "2"])

    def forward(self, x):
        return self.stages(x)


def on_maps(graph):
    """Operations of a graph of torch.fx that put out something as large as a map, by name."""
    outputs = [(node, node.meta.get("val")) for node in graph.nodes if node.op == "call_function"]
    return Counter(
        str(node.target)
        for node, value in outputs
        if torch.is_tensor(value) and value.dim() == 4 and value.shape[2] * value.shape[3] > 1
    )


def test_each_snr_is_statistics_and_one_multiply_add():
    x = torch.rand(2, 3, 64, 64)
    with_snr, plain = (torch.export.export(Maps(snr).eval(), (x,)).graph for snr in (True, False))
    assert on_maps(with_snr) - on_maps(plain) == {"aten.sub.Tensor": 3, "aten.addcmul.default": 3}
    assert not on_maps(plain) - on_maps(with_snr)
    every = Counter(str(node.target) for node in with_snr.nodes)
    assert every["aten.var_mean.correction"] == 3  # of maps, and nowhere a third branch's
    assert every["aten.sigmoid.default"] == 3 and every["aten.addmm.default"] == 6


def test_onnx_of_snr_is_counted_too(tmp_path):
    onnx = pytest.importorskip("onnx")
    from exporting.formats import to_onnx
    from exporting.task import MapTask

    counts = []
    for snr in (True, False):
        task = MapTask(Maps(snr).eval(), ["maps"], "RGB", style_distance=False)
        content = to_onnx(task.module, torch.rand(1, 3, 64, 64), task.signature)
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
        assert [value.name for value in model.graph.input] == ["image"]
        counts.append(Counter(node.op_type for node in model.graph.node))
    more = counts[0] - counts[1]
    assert more["Sigmoid"] == 3 and more["Gemm"] == 6
    assert not {"Softmax", "LogSoftmax", "Softplus", "Loop", "If"} & set(more)


def test_no_probe_in_the_file(fpn, picture, tmp_path):
    """The detector has them as children; what is written holds none of their tensors."""
    assert any("snr_losses" in name for name in torch.load(fpn)["model"])
    write(fpn, "torchscript", tmp_path / "net.pt", picture)
    loaded = torch.jit.load(str(tmp_path / "net.pt"))
    assert not [name for name in loaded.state_dict() if "snr_losses" in name]


def test_compiles_to_one_graph():
    graphs = []

    def count(module, inputs):
        graphs.append(module)
        return module.forward

    model, x = Maps(snr=True).eval(), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        compiled = torch.compile(model, backend=count, fullgraph=True)(x)
        torch.testing.assert_close(compiled, model(x), atol=1e-5, rtol=1e-5)
    (graph,) = graphs
    assert sum("addcmul" in str(node.target) for node in graph.graph.nodes) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.pth"], "checkpoint nowhere.pth does not exist"),
        (["{fpn}", "--image", "none.png"], "--image none.png cannot be read"),
        (["{fpn}", "--format", "torch_export"], "does not take a whole detector.*--backbone"),
        (["{fcn}", "--backbone"], "--backbone is for detectors"),
        (["{fcn}", "--format", "torch_export", "--style-distance"], "does not follow the hooks"),
    ],
)
def test_bad_input_gets_one_sentence(fpn, fcn, picture, tmp_path, words, sentence):
    words = [word.format(fpn=fpn, fcn=fcn) for word in words]
    common = [
        "--format",
        "torchscript",
        "--image",
        str(picture),
        "--out",
        str(tmp_path / "x" / "y"),
    ]
    with pytest.raises(InputError, match=sentence):
        export.export(export.parse([words[0], *common, *words[1:]]))
    assert not (tmp_path / "x").exists()


def test_a_file_that_computes_something_else_is_not_written(fcn, picture, tmp_path, monkeypatch):
    to_torchscript, run = FORMATS["torchscript"]

    def rounded(content, example):
        return [output.round() for output in flat(run(content, example))]

    monkeypatch.setitem(FORMATS, "torchscript", (to_torchscript, rounded))
    with pytest.raises(InputError, match="is not written: on .* its outputs differ"):
        write(fcn, "torchscript", tmp_path / "net.pt", picture)
    assert not list(tmp_path.iterdir())


def test_the_command_ends_with_one_sentence(command, tmp_path):
    out = tmp_path / "net.onnx"
    words = ["--format", "onnx", "--image", "x.png", "--out", out]
    done = command("tools/export.py", "nowhere.pth", *words)
    assert done.returncode == 1 and not Path(out).exists()
    assert done.stderr.splitlines()[-1] == (
        "error: checkpoint nowhere.pth does not exist; name one that does"
    )


def test_an_output_that_is_no_number_is_no_agreement():
    """Python's max() passes over a NaN that does not come first."""
    same, nan = torch.rand(2, 3), torch.full((2, 3), float("nan"))
    with pytest.raises(InputError, match="differ from the model's by nan"):
        MapTask.compare(None, [same, same], [same, nan])
    assert MapTask.compare(None, [same, same], [same, same])
