"""What a person may get wrong on the command line or in a config: one sentence, status 1."""

import pytest
import torch

from snr_plugins.openmmlab.launch import _parse, main
from tests import mmseg_bases
from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import (
    CONFIGS,
    camvid_config,
    small_network,
    write_two_colour_streets,
)

if not mmseg_bases.are_found():
    pytest.skip(mmseg_bases.REASON, allow_module_level=True)


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    return write_two_colour_streets(tmp_path_factory.mktemp("camvid"))


def sentence_of(capfd, *argv):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in argv])
    assert stopped.value.code == 1
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("model.decode_head.num_classes=19", "num_classes is 19"),
        ("train_dataloader.dataset.split=nowhere", "nowhere/images does not exist"),
        ("model.backbone.type=SNRResNt", "SNRResNt"),
        ("model.backbone.type=ResNet", "neither the backbone nor the neck has an SNR"),
        ("model.backbone.snr_stages=layer9,", "there is no stage 'layer9'"),
        ("model.backbone.snr.gate=wide", "there is no gate 'wide'"),
        ("model.backbone.snr.width=3", "snr has no option 'width'"),
        ("load_from=absent.pth", "absent.pth does not exist"),
        ("data_root=elsewhere", "set it there, each time: in the loaders' datasets"),
        ("crop_size=[1,1]", "nothing reads 'crop_size' once the file is read"),
        ("model.backbone.init_cfg.type=Pretrained", "data/resnet50_thin.pth"),
    ],
)
def test_wrong_option(streets, tmp_path, capfd, option, expected):
    options = small_network(streets)
    if "init_cfg" in option:  # the weights that the config asks for
        options = tuple(o for o in options if "init_cfg" not in o)
    argv = [camvid_config("fcn"), "--work-dir", tmp_path, "--cfg-options", *options, option]
    sentence = sentence_of(capfd, *argv)
    assert expected in sentence
    assert "class `" not in sentence  # what MMEngine's registry puts before it


@pytest.mark.parametrize("config", ["fcn_thin_r50_camvid.py", "fcn_thin_r50_camvid_snr.py"])
def test_start_weights_that_fit_nothing(streets, tmp_path, capfd, config):
    """A whole model's checkpoint for the backbone alone: MMEngine would train random weights."""
    argv = [str(CONFIGS / config), "--work-dir", str(tmp_path), "--cfg-options"]
    main([*argv, *small_network(streets)])
    whole = tmp_path / "iter_2.pth"
    options = [option for option in small_network(streets) if "init_cfg" not in option]
    argv += [*options, f"model.backbone.init_cfg.checkpoint={whole}"]
    sentence = sentence_of(capfd, *argv)
    assert f"{whole} fits no tensor of " in sentence
    assert "it has backbone.conv1.weight, ..., and wanted are conv1.weight, ...;" in sentence
    main([*argv, "model.backbone.init_cfg.prefix=backbone."])


def test_classes_of_the_validation_are_the_networks(streets, tmp_path, capfd):
    """Its labels would be counted under other numbers."""
    heads = ("model.decode_head.num_classes=2", "model.auxiliary_head.num_classes=2")
    options = (*heads, "train_dataloader.dataset.metainfo.classes=[sky,road]")
    argv = [camvid_config("fcn"), "--work-dir", tmp_path, "--cfg-options"]
    sentence = sentence_of(capfd, *argv, *small_network(streets), *options)
    assert "num_classes is 2 but val_dataloader's dataset has 11 classes" in sentence


ORDER = "building,sky,pole,road,pavement,tree,sign,fence,car,pedestrian,bicyclist"  # first sky


def in_order(loader, *parts):
    return tuple(f"{loader}_dataloader.dataset.{part}metainfo.classes=[{ORDER}]" for part in parts)


@pytest.mark.parametrize(
    ("options", "name"),
    [(in_order("train", ""), "sky"), (in_order("val", "datasets.0.", "datasets.1."), "building")],
)
def test_classes_of_the_validation_have_the_numbers_of_training(
    streets, tmp_path, capfd, options, name
):
    """As many in another order: nothing would fail, and each be scored as another."""
    argv = [camvid_config("fcn"), "--work-dir", tmp_path, "--cfg-options"]
    sentence = sentence_of(capfd, *argv, *small_network(streets), *options)
    assert (
        f"val_dataloader's dataset has '{name}' as its class 0, and training as 1: give both "
        "datasets the same metainfo.classes"
    ) in sentence


def test_classes_of_a_test_have_the_numbers_of_the_checkpoint(streets, tmp_path, capfd):
    argv = [str(camvid_config("fcn")), "--work-dir", str(tmp_path)]
    main([*argv, "--cfg-options", *small_network(streets)])
    words = ["--eval-only", "--cfg-options", *small_network(streets)]
    main([*argv, *words])
    options = in_order("test", "datasets.0.", "datasets.1.")
    sentence = sentence_of(capfd, *argv, *words, *options)
    assert (
        "test_dataloader's dataset has 'building' as its class 0, and the checkpoint's training as "
        "1: give both datasets the same metainfo.classes"
    ) in sentence


def test_epochs_of_a_sampler_without_end(streets, tmp_path, capfd):
    config = tmp_path / "epochs.py"
    config.write_text(
        f"_base_ = {str(camvid_config('fcn'))!r}\n"
        "source = _base_.train_dataloader.dataset\n"
        f"source.data_root = {str(streets)!r}\n"
        "train_dataloader = dict(sampler=dict(_delete_=True, type='DomainTurnsSampler'),\n"
        "    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[source, source]))\n"
        "train_cfg = dict(_delete_=True, by_epoch=True, max_epochs=1)\n"
    )
    options = [o for o in small_network(streets) if "train_dataloader.dataset" not in o]
    options = [o for o in options if "train_cfg" not in o]
    sentence = sentence_of(capfd, config, "--work-dir", tmp_path, "--cfg-options", *options)
    assert "DomainTurnsSampler has no end: set train_cfg=dict(type='IterBasedTrainLoop'" in sentence


def test_label_outside_the_classes(tmp_path, capfd):
    streets = write_two_colour_streets(tmp_path / "camvid", low=77)
    options = (*small_network(streets), "train_dataloader.num_workers=1")
    argv = [camvid_config("fcn"), "--work-dir", tmp_path, "--cfg-options", *options]
    sentence = sentence_of(capfd, *argv)  # through a data loader's worker
    assert "holds the ids 77" in sentence
    assert ".png" in sentence


def test_eval_only_without_checkpoint(streets, tmp_path, capfd):
    argv = [camvid_config("fcn"), "--eval-only", "--work-dir", tmp_path, "--cfg-options"]
    assert "holds no checkpoint" in sentence_of(capfd, *argv, *small_network(streets))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_what_needs_a_gpu(streets, tmp_path, capfd, monkeypatch):
    argv = [camvid_config("fcn"), "--work-dir", tmp_path / "out", "--cfg-options"]
    argv += small_network(streets)
    assert "--amp: MMEngine's" in sentence_of(capfd, argv[0], "--amp", *argv[1:])
    monkeypatch.setenv("RANK", "0")  # as by torchrun
    sentence = sentence_of(capfd, argv[0], "--launcher", "pytorch", *argv[1:])
    assert "--launcher pytorch: MMEngine gives each process a GPU" in sentence
    assert not (tmp_path / "out").exists()


def test_several_processes_without_torchrun(streets, tmp_path, capfd):
    argv = [camvid_config("fcn"), "--launcher", "pytorch", "--work-dir", tmp_path / "out"]
    sentence = sentence_of(capfd, *argv, "--cfg-options", *small_network(streets))
    assert "--launcher pytorch: start it as torchrun" in sentence
    assert not (tmp_path / "out").exists()


def test_no_config(tmp_path, capfd):
    broken, empty = tmp_path / "broken.py", tmp_path / "empty.py"
    broken.write_text("model = dict(\n")
    empty.write_text("a = 1\n")
    lazy = ROOT / "configs/detection/faster_rcnn_R_50_FPN_synthetic_city_snr.py"
    assert "not found" in sentence_of(capfd, tmp_path / "absent.py")
    assert "broken.py" in sentence_of(capfd, broken)
    assert "has no 'model'" in sentence_of(capfd, empty)
    assert "LazyConfig" in sentence_of(capfd, lazy)


@pytest.mark.parametrize(
    ("argv", "config", "checkpoint", "options"),
    [
        (["a.py", "--cfg-options", "x=b.py", "y=1"], "a.py", None, {"x": "b.py", "y": 1}),
        (["--work-dir", "w", "a.py", "--cfg-options", "x=b.py"], "a.py", None, {"x": "b.py"}),
        (["--eval-only", "a.py"], "a.py", "latest", None),
        (["a.py", "--eval-only", "w.pth"], "a.py", "w.pth", None),
        (["--eval-only", "w.pth", "a.py"], "a.py", "w.pth", None),
        (["a.py", "--eval-only"], "a.py", "latest", None),
    ],
)
def test_arguments_stay_where_they_were(argv, config, checkpoint, options):
    args = _parse(argv)
    assert (args.config, args.eval_only, args.cfg_options) == (config, checkpoint, options)
