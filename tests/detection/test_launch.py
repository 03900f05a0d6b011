"""Where one of Detectron2's processes fails: one sentence, and none is left."""

import os
import signal
import socket
from argparse import Namespace
from pathlib import Path

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.utils import comm

from snr_plugins.detection.launch import launched, main
from snr_plugins.errors import InputError


def meets_its_fate(args):
    """The second process does, while the others wait for it as in a training step."""
    (args.folder / str(os.getpid())).touch()
    comm.synchronize()
    if comm.get_rank() == 1:
        args.fate()
    comm.synchronize()


def bad_image():
    raise InputError("frames/7.png is truncated; copy it anew")


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def our_own_fault():
    raise ZeroDivisionError("a traceback is wanted here")


def three_processes(folder: Path, fate=None, dist_url="auto") -> Namespace:
    return Namespace(
        num_gpus=3, num_machines=1, machine_rank=0, dist_url=dist_url, folder=folder, fate=fate
    )


def assert_gone(folder, processes):
    pids = [int(path.name) for path in folder.iterdir()]
    assert len(pids) == processes
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "One of three processes of Detectron2's `launch` raises or is killed (SIGKILL) while the "
    "others wait for it",
    "the command ends with its sentence, or for a fault of ours its traceback; no process is left",
)
@pytest.mark.parametrize(
    ("fate", "error", "words"),
    [
        (bad_image, InputError, r"^frames/7\.png is truncated; copy it anew$"),
        (killed, InputError, "^process 1 of this machine was ended by SIGKILL"),
        (our_own_fault, Exception, "ZeroDivisionError: a traceback is wanted here"),
    ],
    ids=["bad-image", "killed", "our-own-fault"],
)
def test_one_process_takes_the_others_down(tmp_path, fate, error, words):
    with pytest.raises(error, match=words):
        launched(meets_its_fate, three_processes(tmp_path, fate))
    assert_gone(tmp_path, 3)


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "`--dist-url` of Detectron2, or `--master-port` of torchrun, with a port that is in use",
    "one sentence, or torchrun's own error, names the port",
)
def test_port_in_use_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        url = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(InputError, match=f"^--dist-url {url}: the port is in use"):
            launched(meets_its_fate, three_processes(tmp_path, dist_url=url))
    assert_gone(tmp_path, 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("flag", ["--num-gpus", "--num-machines"])
def test_training_in_several_processes_needs_gpus(flag, capsys):
    with pytest.raises(SystemExit):
        main(["detector.yaml", flag, "2"])
    assert f"error: {flag} is 2, torch sees" in capsys.readouterr().err
