"""A detector with the restitution loss over many steps in bfloat16."""

import pytest
import torch

pytest.importorskip("detectron2")

from detectron2.engine.train_loop import AMPTrainer, SimpleTrainer
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from snr_plugins.nn import find_snr
from tests.detection.test_models import FPN, config

STEPS, SIZE = 2000, 64
TINY = [
    "MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", 0,
    "MODEL.FPN.OUT_CHANNELS", 16, "MODEL.ROI_BOX_HEAD.FC_DIM", 32, "MODEL.ROI_HEADS.NUM_CLASSES", 2,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 16, "MODEL.RPN.PRE_NMS_TOPK_TRAIN", 50,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN", 20, "MODEL.SNR.REDUCTION", 4,
]  # fmt: skip


def streets():
    """Two images with one bright or dark square each, and now and then none; without end."""
    generator = torch.Generator().manual_seed(0)
    while True:
        batch = []
        for _ in range(2):
            x, y = torch.randint(4, 30, (2,), generator=generator).tolist()
            kind = int(torch.randint(0, 3, (), generator=generator))
            image = 100 + 20 * torch.rand(3, SIZE, SIZE, generator=generator)
            truth = Instances((SIZE, SIZE))
            boxes = [[float(x), float(y), x + 28.0, y + 28.0]][: int(kind < 2)]
            for _ in boxes:
                image[:, y : y + 28, x : x + 28] += 100 if kind else -80
            truth.gt_boxes = Boxes(torch.tensor(boxes).reshape(-1, 4))
            truth.gt_classes = torch.full((len(boxes),), kind)
            batch.append({"image": image, "instances": truth})
        yield batch


@pytest.mark.slow
@pytest.mark.fault(
    "numbers",
    "2,000 steps of a detector with the restitution loss under autocast in bfloat16, a third of "
    "the images without a box",
    "every loss and every parameter stays finite, and the task's own loss falls to half",
    tries=STEPS,
)
def test_the_loss_falls_and_stays_finite(device):
    torch.manual_seed(0)
    model = build_model(config(FPN, *TINY, "MODEL.DEVICE", device.type)).train()
    assert len(find_snr(model)) == 3
    # at five times this rate the plain detector diverges too, in float32: no norm beyond its body
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    # Detectron2's own trainer asserts a GPU; on the CPU its plain one under autocast does the same
    if device.type == "cuda":
        trainer = AMPTrainer(model, streets(), optimizer, precision=torch.bfloat16)
    else:
        trainer = SimpleTrainer(model, streets(), optimizer)
    losses = []
    with EventStorage() as trainer.storage:
        for trainer.iter in range(STEPS):
            with torch.autocast(device.type, dtype=torch.bfloat16):
                trainer.run_step()  # FloatingPointError where a loss is not finite
            latest = trainer.storage.latest()  # L has its floor near 2 log 2 a stage
            losses.append(latest["total_loss"][0] - latest["loss_snr_restitution"][0])
            trainer.storage.step()
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert all(torch.isfinite(tensor).all() for tensor in state.values())
    assert sum(losses[-100:]) < 0.5 * sum(losses[:100])


def test_detectron2s_trainer_refuses_the_cpu():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    model = nn.Linear(1, 1)
    trainer = AMPTrainer(model, [], torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(AssertionError, match="CUDA is required"):
        trainer.run_step()
