"""Report how much of a backbone a checkpoint covered, in Detectron2's log."""

from __future__ import annotations

import logging

from torch import nn

from snr_plugins.nn import coverage


def report_coverage(model: nn.Module) -> None:
    """See :func:`snr_plugins.nn.coverage.report_coverage`. Of an FPN the ``bottom_up`` counts."""
    coverage.report_coverage(
        getattr(model.backbone, "bottom_up", model.backbone),
        logging.getLogger("detectron2.snr_plugins").log,
        "Check that MODEL.WEIGHTS is made for this depth and width; if only the prefix of its keys "
        "differs, as in a bare backbone's file, append ?matching_heuristics=True to the path",
        # FrozenBatchNorm2d does without running statistics
        ignored=("running_mean", "running_var", "num_batches_tracked"),
    )
