"""Real pictures of tiny networks that have learned styles and nothing else, in both frameworks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import shift
import torch
import visualize

pytest.importorskip("detectron2")

from detectron2.checkpoint import DetectionCheckpointer
from detectron2.structures import Boxes, BoxMode, Instances
from looking.detector import CocoScorer, DetectorNetwork
from looking.network import Domain
from mmengine.config import DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import save_checkpoint
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from snr_plugins.configs import config_path
from snr_plugins.detection.config import load_config
from snr_plugins.detection.trainer import Trainer
from snr_plugins.errors import InputError
from snr_plugins.openmmlab.launch import load_config as load_mmengine_config
from tests.segmentation.streets import camvid_config, small_network, write_two_colour_streets

SEGMENTOR = config_path("segmentation/fcn_thin_r50_camvid_snr.py")
BOXES = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city"
CLEAR, FOGGY = "synthetic_city_clear_val", "synthetic_city_foggy_beta_0.02_val"
OPTIONS = (
    "MODEL.WEIGHTS", "", "INPUT.MIN_SIZE_TEST", 48, "DATASETS.TEST", f"('{CLEAR}', '{FOGGY}')",
)  # fmt: skip
EVERY_PICTURE = ["results", "gates", "distances", "channels", "features", "residuals", "entropies"]
ENTROPIES = {"enhanced": 0.9, "normalised": 1.0, "contaminated": 1.1}
BATCHES = 17  # of 4: more than the 64 images after which distances count


def write_record(path, step, stage):
    """Entropies as the frameworks' writers have them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {step: i} | {f"snr/{stage}/entropy_{end}": h / (1 + i) for end, h in ENTROPIES.items()}
        for i in range(4)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def city(datasets, monkeypatch):
    """DETECTRON2_DATASETS."""
    monkeypatch.setenv("DETECTRON2_DATASETS", str(datasets))
    return datasets / "synthetic_city"


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    """Checkpoints of a plain detector and of one with SNR."""
    folder = tmp_path_factory.mktemp("detectors")
    torch.manual_seed(0)
    for name, form in (("plain", ""), ("snr", "_snr")):
        out = folder / name
        cfg = load_config(config_path(f"{BOXES}{form}.yaml"), [*OPTIONS, "OUTPUT_DIR", str(out)])
        model = Trainer.build_model(cfg)
        if form:
            with torch.no_grad():
                for _ in range(BATCHES):
                    model.backbone(torch.randn(4, 3, 64, 64))
        out.mkdir()
        DetectionCheckpointer(model, str(out)).save("model_final")
        (out / "config.yaml").write_text(cfg.dump())
        write_record(out / "metrics.json", "iteration", "bottom_up_res2")
    return [str(folder / name / "model_final.pth") for name in ("plain", "snr")]


@pytest.fixture(scope="module")
def segmentor(tmp_path_factory):
    """A checkpoint of a segmentor with SNR, and the folder of its frames."""
    streets = write_two_colour_streets(tmp_path_factory.mktemp("camvid"))
    folder = tmp_path_factory.mktemp("segmentor")
    options = dict(option.split("=", 1) for option in small_network(streets))
    options = {key: DictAction._parse_int_float_bool(value) for key, value in options.items()}
    cfg = load_mmengine_config(str(camvid_config("fcn")), options)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model, frames = MODELS.build(cfg.model).train(), DATASETS.build(cfg.train_dataloader.dataset)
    for _ in range(BATCHES):
        batch = model.data_preprocessor(pseudo_collate([frames[i] for i in range(4)]), True)
        with torch.no_grad():
            model.extract_feat(batch["inputs"])
    meta = {"dataset_meta": frames.metainfo}
    save_checkpoint({"state_dict": model.state_dict(), "meta": meta}, str(folder / "iter_9.pth"))
    cfg.dump(str(folder / "config.py"))
    write_record(folder / "20260101" / "vis_data" / "scalars.json", "step", "backbone_layer1")
    return str(folder / "iter_9.pth"), streets


def run(tool, *arguments):
    getattr(tool, tool.__name__)(tool.parse([str(argument) for argument in arguments]))


def pictures_of(out):
    """Names in the page, each with a picture that shows something."""
    names = re.findall(r'src="(\w+)\.png"', (out / "index.html").read_text())
    for name in names:
        picture = np.asarray(Image.open(out / f"{name}.png").convert("RGB"))
        assert min(picture.shape[:2]) > 100 and picture.std() > 5, name
    return names


def test_a_detector_beside_a_plain_one(detectors, city, tmp_path):
    plain, snr = detectors
    run(visualize, snr, "--plain", plain, "--out", tmp_path)
    assert pictures_of(tmp_path) == EVERY_PICTURE
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_of_a_mean_teacher_the_teacher_is_looked_at(city, tmp_path):
    config = config_path(f"{BOXES}_to_foggy_mean_teacher_snr.yaml")
    cfg = load_config(config, [*OPTIONS, "OUTPUT_DIR", str(tmp_path)])
    torch.manual_seed(0)
    model = Trainer.build_model(cfg)
    with torch.no_grad():
        for _ in range(BATCHES):
            model.backbone(torch.randn(4, 3, 64, 64))
        model.teacher.follow(model)
        model.pixel_mean.add_(99)  # the student sees other pictures
    DetectionCheckpointer(model, str(tmp_path)).save("model_final")
    (tmp_path / "config.yaml").write_text(cfg.dump())
    checkpoint = tmp_path / "model_final.pth"
    run(visualize, checkpoint, "--out", tmp_path / "pages")
    assert set(pictures_of(tmp_path / "pages")) >= {"results", "gates", "distances", "channels"}
    run(shift, checkpoint, "--out", tmp_path / "shift", "--groups", 2)
    (domain, *_) = json.loads((tmp_path / "shift" / "shift.json").read_text())["domains"].values()
    assert domain["images"] == 3


def test_a_folder_and_a_file_have_no_labels(detectors, city, tmp_path):
    foggy = city / "leftImg8bit_foggy" / "val"
    run(visualize, detectors[1], f"fog={foggy}", next(foggy.rglob("*.png")), "--out", tmp_path)
    assert set(pictures_of(tmp_path)) >= {"results", "gates", "distances", "channels"}


def test_shift_of_a_detector(detectors, city, tmp_path, capsys):
    plain, snr = detectors
    run(shift, snr, "--plain", plain, "--out", tmp_path, "--groups", 2)
    assert pictures_of(tmp_path) == ["roc", "score"]
    clear, foggy = json.loads((tmp_path / "shift.json").read_text())["domains"].values()
    assert sum(group["images"] for group in foggy["groups"]) == foggy["images"] == 3
    # by the detector's own output for each image
    network = DetectorNetwork(Path(snr), Path(snr).with_name("config.yaml"), "cpu")
    for domain, name in ((clear, CLEAR), (foggy, FOGGY)):
        for frame in network.frames(Domain(name), 0):
            own = network.predict(frame)["style_distance"]["bottom_up.res3.snr"]
            assert domain["files"][frame.path]["res3"] == pytest.approx(float(own), rel=1e-4)
    pairs = [
        (f["res3"] > c["res3"]) + 0.5 * (f["res3"] == c["res3"])
        for f in foggy["files"].values()
        for c in clear["files"].values()
    ]
    assert foggy["auc"]["res3"] == pytest.approx(np.mean(pairs))
    table = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in table[-2:]] == ["| clear", "| foggy_beta_0.02"]


def test_scores_are_of_the_chosen_images(detectors, city):
    network = DetectorNetwork(
        Path(detectors[1]), Path(detectors[1]).with_name("config.yaml"), "cpu"
    )
    scorer = CocoScorer(CLEAR)
    labelled = []
    for index, frame in enumerate(network.frames(Domain(CLEAR), 0)):
        known = [a for a in frame.truth["annotations"] if not a["iscrowd"]]
        objects = [] if labelled else known
        boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in objects]
        found = Instances((frame.inputs["height"], frame.inputs["width"]))
        found.pred_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
        found.pred_classes = torch.tensor([a["category_id"] for a in objects], dtype=torch.long)
        found.scores = torch.ones(len(objects))
        scorer.add(frame, {"instances": found})
        if known:
            labelled.append(index)
    # the first labelled image was found whole, the second not at all
    first, second = labelled
    assert scorer.score([first]) == pytest.approx(100)
    assert scorer.score([second]) == 0
    assert 0 < scorer.score([first, second]) < 100
    assert scorer.score([first]) == pytest.approx(100)
    assert np.isnan(scorer.score([i for i in range(3) if i not in labelled]))


def test_a_segmentor(segmentor, tmp_path):
    checkpoint, streets = segmentor
    run(visualize, checkpoint, "--out", tmp_path / "own")
    assert pictures_of(tmp_path / "own") == EVERY_PICTURE
    folders = [f"light={streets / 'day_val'}", streets / "dusk_val" / "images"]
    run(visualize, checkpoint, *folders, "--images", 2, "--out", tmp_path / "folders")
    assert "features" in pictures_of(tmp_path / "folders")


def test_shift_of_a_segmentor(segmentor, tmp_path):
    checkpoint, _ = segmentor
    run(shift, checkpoint, "--out", tmp_path, "--groups", 4)
    assert pictures_of(tmp_path) == ["roc", "score"]
    day, dusk = json.loads((tmp_path / "shift.json").read_text())["domains"].values()
    assert dusk["auc"]["layer1"] == 1  # a third of the light
    # of a handful of images learned, so day's own need not lie below 1
    assert dusk["median"]["layer1"] > max(1, day["median"]["layer1"])
    assert 0 < day["score"]["SNR"] < 100
    assert [group["images"] for group in day["groups"]] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        (visualize, ["nowhere.pth"], r"checkpoint nowhere\.pth does not exist"),
        (visualize, ["{snr}", "no_name"], "no_name is neither a file, a folder nor a registered"),
        (visualize, ["{snr}", CLEAR, CLEAR], "two domains have one name"),
        (visualize, ["{snr}", "--plain", "none.pth"], r"checkpoint none\.pth does not exist"),
        (visualize, ["{plain}", "--config", "{config}"], "has no backbone.bottom_up.res2.snr.norm"),
        (
            visualize,
            ["{snr}", "--config", "{wide}"],
            "has .* of shape .*, the network of its config",
        ),
        (visualize, ["{snr}", "--config", SEGMENTOR], "model_final.pth does not name its classes"),
        (shift, ["{plain}"], "knows no style distance: train an SNR"),
        (shift, ["{snr}", CLEAR], "name two domains, the source first"),
    ],
)
def test_bad_input_gets_one_sentence(detectors, city, tmp_path, tool, arguments, sentence):
    plain, snr = detectors
    config = Path(snr).with_name("config.yaml")
    wide = tmp_path / "wide.yaml"
    wide.write_text(config.read_text().replace("NUM_CLASSES: 8", "NUM_CLASSES: 3"))
    words = {"plain": plain, "snr": snr, "config": config, "wide": wide}
    arguments = [argument.format(**words) for argument in arguments]
    with pytest.raises(InputError, match=sentence):
        run(tool, *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("network", "which"), [("detectors", 1), ("segmentor", 0)])
def test_a_damaged_picture_is_named(network, which, request, tmp_path):
    checkpoint = request.getfixturevalue(network)[which]
    picture = tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)).save(picture)
    whole = picture.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no image at all"):
        picture.write_bytes(content)
        with pytest.raises(InputError, match=f"^{picture} is "):
            run(visualize, checkpoint, picture, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--device", "nonsense"], "argument --device: torch has no nonsense here"),
        (["--rows", "0"], "argument --rows: 0 is no whole number from 1 on"),
        (["--images", "-1"], "argument --images: -1 is no whole number from 0 on"),
    ],
)
def test_an_argument_that_cannot_be_is_named(words, sentence, capsys):
    with pytest.raises(SystemExit):
        visualize.parse(["model.pth", *words])
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_the_command_ends_with_one_sentence(command):
    done = command("tools/visualize.py", "nowhere.pth")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: checkpoint nowhere.pth does not exist; name one that does"
    )
    assert "Traceback" not in done.stderr
