"""torchrun and MMEngine's runner in several processes: the losses of one with the whole batch.

With batch norm's statistics frozen and without dropout, which each process has for itself.
"""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from snr_plugins.openmmlab.launch import main
from tests.processes import free_port, torchrun
from tests.segmentation import training  # noqa: F401  registers LossCurveHook
from tests.segmentation.adaptation.pairs import config_of
from tests.segmentation.streets import camvid_config, write_two_colour_streets

ITERATIONS = 4
IMAGES = 6  # of all processes in an iteration
VOID = 11  # a label of CamVid that nothing is learned from
NO_LOSS = {"model.snr_loss_weight": 0.0, "model.snr_probe_weight": 0.0}
IN_ORDER = {"train_dataloader.sampler.shuffle": False}
CASES = {
    "plain": NO_LOSS,
    "restitution": {},
    "accumulated": {"optim_wrapper.accumulative_counts": 2},
    "checkpointed": {"model.backbone.with_cp": True},
    "adaptation": {},
    "no labels": {**IN_ORDER, **NO_LOSS},
    "restitution, no labels": IN_ORDER,
}
SMALL = {
    "load_from": None,
    "model.backbone.init_cfg": None,
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 16,
    "model.backbone.stem_channels": 16,
    "model.data_preprocessor.size": (64, 96),
    "model.decode_head.in_channels": 128,
    "model.decode_head.norm_cfg": None,
    "model.decode_head.dropout_ratio": 0,
    "model.auxiliary_head.in_channels": 64,
    "model.auxiliary_head.norm_cfg": None,
    "model.auxiliary_head.dropout_ratio": 0,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": ITERATIONS},
    "param_scheduler": None,
    "randomness.seed": 1,
}
PIPELINE = [{"type": "LoadImageFromFile"}, {"type": "LoadLabelIds"}, {"type": "PackSegInputs"}]


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    """Two roots: every pixel labelled, and none of the second and the fourth frame."""
    folder = tmp_path_factory.mktemp("camvid")
    for name in ("labelled", "half"):
        write_two_colour_streets(folder / name)
    for frame in (1, 3):
        file = folder / "half" / "day_train" / "labels" / f"{frame}.png"
        Image.fromarray(np.full((64, 96), VOID, np.uint8)).save(file)
    return folder


def write_config(folder, camvid, case, processes, **changes):
    """The config of a case for so many processes, and where it works, as the command wants them."""
    adapts = case == "adaptation"
    cfg = Config.fromfile(
        config_of("synthetic_city_to_night", "maxsquare", "_snr") if adapts else camvid_config("fcn")
    )
    cfg.merge_from_dict({**SMALL, **CASES[case], **changes})
    root = str(camvid / ("half" if "no labels" in case else "labelled"))
    day = {"type": "CamVidDataset", "data_root": root, "split": "day_train", "pipeline": PIPELINE}
    if adapts:
        dusk = {**day, "split": "dusk_val"}
        cfg.train_dataloader.dataset = {"type": "SourceTargetDataset", "source": day, "target": dusk}
        cfg.model.decode_head.num_classes = cfg.model.auxiliary_head.num_classes = 11
    else:
        cfg.train_dataloader.dataset = day
    cfg.train_dataloader.batch_size = (2 if adapts else 1) * IMAGES // processes
    for phase in ("val", "test"):
        cfg[f"{phase}_cfg"] = cfg[f"{phase}_dataloader"] = cfg[f"{phase}_evaluator"] = None
    cfg.custom_hooks = [{"type": "CalibrateSNRHook", "num_batches": 1}, {"type": "LossCurveHook"}]
    # what MMEngine fills in else is a GPU; one process has no wrapper
    cfg.model_wrapper_cfg = {"type": "MMDistributedDataParallel", "device_ids": None}
    cfg.model_wrapper_cfg.broadcast_buffers = False
    path = folder / f"{case.replace(', ', '_').replace(' ', '_')}.py"
    folder.mkdir(exist_ok=True)
    cfg.dump(path)
    return str(path), str(path.with_suffix(""))


@pytest.fixture(scope="module")
def logged(request, tmp_path_factory, camvid):
    """How many processes there were, and what they logged in each case."""
    layout = request.param
    folder = tmp_path_factory.mktemp("processes")
    processes = int(layout[0])
    cases = [case for case in CASES if "no labels" not in case or processes == 2]
    words = [write_config(folder, camvid, case, processes) for case in cases]
    machines = 2 if layout == "2 machines" else 1
    port = free_port()
    started = [
        torchrun(
            *("--nnodes", machines, "--node-rank", rank, "--nproc-per-node", processes // machines),
            *("--master-addr", "127.0.0.1", "--master-port", port),
            *("-m", "tests.segmentation.training", *(w for pair in words for w in pair)),
        )
        for rank in range(machines)
    ]
    for machine in started:
        output, _ = machine.communicate(timeout=800)
        assert machine.returncode == 0, output[-3000:]
    return processes, {
        case: torch.load(f"{work}/losses.pth") for case, (_, work) in zip(cases, words, strict=True)
    }


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "torchrun and MMEngine with 2 and 3 processes and on 2 machines (loopback): without and with the "
    "restitution loss, with gradient accumulation, activation checkpointing and MaxSquare, and with no "
    "label in the images of one process",
    "every loss of every step is that of one process with the whole batch",
)
@pytest.mark.parametrize(
    ("logged", "case"),
    [
        *(("2 processes", case) for case in CASES),
        *(("3 processes", case) for case in CASES if "no labels" not in case),
        *(("2 machines", case) for case in CASES),
    ],
    indirect=["logged"],
)
def test_losses_are_those_of_one_process(logged, camvid, tmp_path, case):
    processes, found = logged
    turns = 1
    config, work = write_config(tmp_path, camvid, case, 1)
    main([config, "--work-dir", work])
    expected = torch.load(f"{work}/losses.pth")
    assert set(found[case]) == set(expected)
    for name, curve in expected.items():
        assert found[case][name] == pytest.approx(curve, rel=2e-4, abs=1e-6), name
    assert abs(curve[0] - curve[-1]) > 1e-2 * curve[0]  # it learns
