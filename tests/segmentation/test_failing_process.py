"""Where one of torchrun's processes fails: its sentence; none is left, nor a loader's worker."""

import re
import socket

import numpy as np
import pytest
from PIL import Image

from tests.processes import free_port, left_behind, torchrun
from tests.segmentation.streets import camvid_config, small_network, write_two_colour_streets

OPTIONS = (
    "train_dataloader.num_workers=1",
    "train_dataloader.sampler.shuffle=False",  # of two processes the second gets frames 1 and 3
    "model.decode_head.norm_cfg=None",
    "model.auxiliary_head.norm_cfg=None",
    "model_wrapper_cfg.type=MMDistributedDataParallel",
    "model_wrapper_cfg.device_ids=None",
)


def mislabel(camvid):
    label = np.full((64, 96), 77, np.uint8)
    for frame in (1, 3):
        Image.fromarray(label).save(camvid / "day_train" / "labels" / f"{frame}.png")


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "One of two processes of torchrun meets a bad label, or is killed (SIGKILL), in training",
    "the sentence, once, or in torchrun's table the signal; no process is left, nor a loader's "
    "worker",
)
@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("bad label", r"^error: \S+/[13]\.png.* holds the ids 77"),
        ("killed", r"^ *traceback : Signal 9 \(SIGKILL\) received by PID"),
    ],
    ids=["bad-label", "killed"],
)
def test_one_process_takes_the_other_down(tmp_path, fate, words):
    camvid = write_two_colour_streets(tmp_path / "camvid")
    if fate == "bad label":
        mislabel(camvid)
    hooks = [{"type": "KilledHook"}] if fate == "killed" else []
    config = tmp_path / "config.py"
    config.write_text(f"_base_ = {str(camvid_config('fcn'))!r}\ncustom_hooks = {hooks}\n")
    run = torchrun(
        *("--nproc-per-node", 2, "--master-addr", "127.0.0.1", "--master-port", free_port()),
        *("-m", "tests.segmentation.training", config),
        *("--cfg-options", *small_network(camvid), *OPTIONS),
        SNR_TEST=str(tmp_path),
    )
    output, _ = run.communicate(timeout=600)
    assert run.returncode == 1
    assert len(re.findall(words, output, re.MULTILINE)) == 1, output[-3000:]
    assert not left_behind(f"SNR_TEST={tmp_path}")


@pytest.mark.fault(
    "processes",
    "`--dist-url` of Detectron2, or `--master-port` of torchrun, with a port that is in use",
    "one sentence, or torchrun's own error, names the port",
)
def test_port_in_use_is_named():
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        port = other.getsockname()[1]
        run = torchrun("--master-addr", "127.0.0.1", "--master-port", port, "-m", "this")
        output, _ = run.communicate(timeout=300)
    assert run.returncode == 1
    last = output.strip().splitlines()[-1]
    assert (
        f":{port} (errno: 98 - Address already in use)" in last
        or f"port: {port}, useIpv6: false, code: -98, name: EADDRINUSE" in last  # torch 2.13
    )
