"""Report how much of a backbone a checkpoint covered, in MMEngine's log."""

from __future__ import annotations

from mmengine.logging import print_log
from torch import nn

from snr_plugins.nn import coverage


def report_coverage(backbone: nn.Module) -> None:
    """See :func:`snr_plugins.nn.coverage.report_coverage`."""
    coverage.report_coverage(
        backbone,
        lambda level, sentence: print_log(sentence, "current", level),
        "Check that it is made for this depth, width and style, and that init_cfg has the prefix "
        "of its keys",
    )
