"""A figure for each image as a detector of unseen weather."""

from __future__ import annotations

import numpy as np


def curve(source: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ROC of "above a threshold means other": false and true alarms, shares from 0 to 1.

    Args:
        source: (S,) figures of images that should raise no alarm.
        other: (O,) of those that should.
    """
    thresholds = np.unique(np.concatenate([source, other, [np.inf]]))[::-1]
    return (
        (source[:, None] >= thresholds).mean(0),
        (other[:, None] >= thresholds).mean(0),
    )


def area(source: np.ndarray, other: np.ndarray) -> float:
    """The area below `curve`: how often an image of the other has the larger figure, ties half."""
    difference = other[:, None] - source
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def by_size(figures: np.ndarray, bins: int) -> list[np.ndarray]:
    """Indices of the images in so many groups of about one size, smallest figures first."""
    return np.array_split(np.argsort(figures, kind="stable"), bins)
