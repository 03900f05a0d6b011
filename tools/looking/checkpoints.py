"""Which framework wrote a checkpoint, and the config that lies beside it."""

from __future__ import annotations

from pathlib import Path

from curves import log_lines

from looking.network import Network
from snr_plugins.errors import InputError

# Where a run keeps its config, seen from its checkpoint: Detectron2, MMEngine and MMEngine's copy
BESIDE = ("config.yaml", "*.py", "*/vis_data/config.py")
# ... and its record of training
RECORDS = ("metrics.json", "*/vis_data/scalars.json")


def find_config(checkpoint: Path) -> Path:
    """The one config beside a checkpoint; MMEngine's latest copy where it started several times.

    Raises:
        InputError: there is no checkpoint, no config, or a choice of them.
    """
    if not checkpoint.is_file():
        raise InputError(f"checkpoint {checkpoint} does not exist; name one that does")
    for pattern in BESIDE:
        found = sorted(checkpoint.parent.glob(pattern))
        if len(found) > 1 and pattern == "*.py":
            raise InputError(
                f"{checkpoint.parent} holds several configs ({', '.join(p.name for p in found)}); "
                "choose one by --config"
            )
        if found:
            return found[-1]
    raise InputError(f"there is no config beside {checkpoint}; name it by --config")


def open_network(checkpoint: Path, config: Path | None, device: str) -> Network:
    """The trained network, by its own framework's loader.

    Args:
        checkpoint: of Detectron2 or MMEngine.
        config: a .yaml of Detectron2 or a .py of MMEngine; None for the one beside the checkpoint.
        device: of torch.

    Raises:
        InputError: one of them is missing or at fault.
    """
    config = config or find_config(checkpoint)
    if not checkpoint.is_file():
        raise InputError(f"checkpoint {checkpoint} does not exist; name one that does")
    if config.suffix == ".py":  # nobody has to install the other framework
        from looking.segmentor import SegmentorNetwork

        return SegmentorNetwork(checkpoint, config, device)
    from looking.detector import DetectorNetwork

    return DetectorNetwork(checkpoint, config, device)


def training_record(checkpoint: Path) -> list[dict]:
    """What the run beside a checkpoint logged in training: a dict with ``iteration`` each time."""
    found = [p for pattern in RECORDS for p in sorted(checkpoint.parent.glob(pattern))]
    lines = [entry for path in found for entry in log_lines(path)]
    return [
        {**line, "iteration": line.get("iteration", line.get("step"))}
        for line in lines
        if "iteration" in line or "step" in line
    ]
