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
VOID_FRAME, VOID = 3, 11  # the frame without labels; 11 is CamVid's for that
NO_LOSS = {"model.snr_loss_weight": 0.0, "model.snr_probe_weight": 0.0}
CASES = {
    "plain": NO_LOSS,
    "restitution": {},
    "accumulated": {"optim_wrapper.accumulative_counts": 2},
    "checkpointed": {"model.backbone.with_cp": True},
    "adaptation": {},
    "no labels": NO_LOSS,
    "restitution, no labels": {},
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
    "optim_wrapper.optimizer.lr": 1e-3,
    "randomness.seed": 1,
}
PIPELINE = [{"type": "LoadImageFromFile"}, {"type": "LoadLabelIds"}, {"type": "PackSegInputs"}]


@pytest.fixture(scope="module")
def camvid(tmp_path_factory):
    """Four frames, the last without labels."""
    root = write_two_colour_streets(tmp_path_factory.mktemp("camvid") / "camvid")
    for frame in range(1, 4):  # each in a light of its own
        file = root / "day_train" / "images" / f"{frame}.jpg"
        Image.fromarray(np.asarray(Image.open(file)) // (frame + 1)).save(file)
    file = root / "day_train" / "labels" / f"{VOID_FRAME}.png"
    Image.fromarray(np.full((64, 96), VOID, np.uint8)).save(file)
    return root


def write_config(folder, camvid, case, processes, run="shared"):
    """The config of a case.

    ``run``: shared by so many processes; or by one that has the whole batch, "alone", or goes
    through their shares "in turn" before it makes a step.
    """
    adapts = case == "adaptation"
    path = config_of("synthetic_city_to_night", "maxsquare", "_snr")
    cfg = Config.fromfile(path if adapts else camvid_config("fcn"))
    cfg.merge_from_dict({**SMALL, **CASES[case]})
    share = IMAGES // processes
    frames = [0, 1, 2, 1, 0, 1]  # dealt out one by one: no process gets what another gets
    if "no labels" in case:  # of the last process
        frames = [VOID_FRAME if (i + 1) % processes == 0 else i % VOID_FRAME for i in range(IMAGES)]
    if run == "in turn":
        frames = [frame for rank in range(processes) for frame in frames[rank::processes]]
        cfg.train_cfg.max_iters *= processes
        cfg.optim_wrapper.accumulative_counts = processes
    day = {
        "type": "CamVidDataset",
        "data_root": str(camvid),
        "split": "day_train",
        "pipeline": PIPELINE,
        "indices": frames,
    }
    if adapts:
        dusk = {**day, "split": "dusk_val"}
        day = {"type": "SourceTargetDataset", "source": day, "target": dusk}
        cfg.model.decode_head.num_classes = cfg.model.auxiliary_head.num_classes = 11
    else:
        cfg.train_dataloader.sampler.shuffle = False
    cfg.train_dataloader.dataset = day
    cfg.train_dataloader.batch_size = (IMAGES if run == "alone" else share) * (2 if adapts else 1)
    for phase in ("val", "test"):
        cfg[f"{phase}_cfg"] = cfg[f"{phase}_dataloader"] = cfg[f"{phase}_evaluator"] = None
    batches = processes if run == "in turn" else 1
    cfg.custom_hooks = [
        {"type": "CalibrateSNRHook", "num_batches": batches},
        {"type": "LossCurveHook"},
    ]
    # left out, MMEngine fills in a GPU
    cfg.model_wrapper_cfg = {"type": "MMDistributedDataParallel", "device_ids": None}
    cfg.model_wrapper_cfg.broadcast_buffers = False
    path = folder / f"{case.replace(', ', '_').replace(' ', '_')}.py"
    cfg.dump(path)
    return path


def losses_in(config):
    """What LossCurveHook saved."""
    return torch.load(config.with_suffix("") / "losses.pth")


@pytest.fixture(scope="module")
def logged(request, tmp_path_factory, camvid):
    """How many processes there were, and what they logged in each case."""
    layout = request.param
    folder = tmp_path_factory.mktemp("processes")
    processes = int(layout[0])
    configs = [write_config(folder, camvid, case, processes) for case in CASES]
    machines = 2 if layout == "2 machines" else 1
    port = free_port()
    started = [
        torchrun(
            *("--nnodes", machines, "--node-rank", rank, "--nproc-per-node", processes // machines),
            *("--master-addr", "127.0.0.1", "--master-port", port),
            *("-m", "tests.segmentation.training", *configs),
        )
        for rank in range(machines)
    ]
    for machine in started:
        output, _ = machine.communicate(timeout=800)
        assert machine.returncode == 0, output[-3000:]
    return processes, dict(zip(CASES, map(losses_in, configs), strict=True))


@pytest.mark.slow
@pytest.mark.fault(
    "processes",
    "torchrun and MMEngine with 2 and 3 processes and on 2 machines (loopback): without and with "
    "the restitution loss, with gradient accumulation, activation checkpointing and MaxSquare, and "
    "with no label in the images of one process",
    "every loss of every step is that of one process with the whole batch",
)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("logged", ["2 processes", "3 processes", "2 machines"], indirect=True)
def test_losses_are_those_of_one_process(logged, camvid, tmp_path, case):
    processes, found = logged
    # the probes' loss is a mean over the labelled pixels of each process
    run = "in turn" if case == "restitution, no labels" else "alone"
    config = write_config(tmp_path, camvid, case, processes, run)
    main([str(config), "--work-dir", str(config.with_suffix(""))])
    expected = losses_in(config)
    assert set(found[case]) == set(expected)
    for name, losses in expected.items():
        curve = np.reshape(losses, (ITERATIONS, -1)).mean(1).tolist()
        assert found[case][name] == pytest.approx(curve, rel=2e-4, abs=1e-6), name
    assert expected["loss"][-1] < 0.98 * expected["loss"][0]  # it learns
