"""Warns of domain classifiers that learn nothing, or against which nothing helps."""

from __future__ import annotations

import logging
import math

from snr_plugins.detection.backbone import LOGGER

GUESSING = math.log(2)
FROZEN = 0.002  # around log 2, what a classifier at its start shows
COLLAPSED = 0.02  # below it the domains are told apart with certainty


class DiscriminatorWatch:
    """Says once of each classifier that it has been frozen or collapsed for ``patience`` looks.

    Frozen is a loss of 0.693 and nothing else from the first look on: it never learned, as with a
    reversal that is too strong or a learning rate that is too low. Later 0.693 is what adaptation
    aims at. Collapsed is a loss near 0: the features do not follow.

    Args:
        patience: looks that a state has to last.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self._run: dict[str, tuple[str, int]] = {}  # state of each, and for how many looks
        self._learned: set[str] = set()
        self._said: set[str] = set()

    def see(self, iteration: int, losses: dict[str, float]) -> None:
        """Take the unweighted losses of an iteration, by classifier."""
        for name, loss in losses.items():
            state = self._state(name, loss)
            before, looks = self._run.get(name, (state, 0))
            looks = looks + 1 if before == state else 1
            self._run[name] = (state, looks)
            if state and looks >= self.patience and name not in self._said:
                self._said.add(name)
                logging.getLogger(LOGGER).warning(_sentence(name, state, loss, iteration))

    def _state(self, name: str, loss: float) -> str:
        if abs(loss - GUESSING) > FROZEN:
            self._learned.add(name)
        if loss < COLLAPSED:
            return "collapsed"
        return "" if name in self._learned else "frozen"


def _sentence(name: str, state: str, loss: float, iteration: int) -> str:
    key = f"MODEL.DOMAIN_ADVERSARIAL.{name.upper()}"
    if state == "frozen":
        return (
            f"The {name} classifier's loss is still {loss:.3f} at iteration {iteration}: it has "
            f"learned nothing that the features could unlearn; raise {key}_LR_FACTOR, or lower "
            f"{key}_REVERSAL"
        )
    return (
        f"The {name} classifier's loss is {loss:.3f} at iteration {iteration}: it tells the "
        f"domains apart with certainty and the features do not follow; raise {key}_REVERSAL"
    )
