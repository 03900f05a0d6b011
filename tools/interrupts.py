"""Signals that wait until what must not be cut in two is done."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Within this block SIGTERM, SIGHUP and Ctrl-C go into a list, and interrupt nothing.

    Between the start of a child and the note of it they would leave it behind. What is ignored
    stays so, as SIGHUP under nohup.
    """
    noted: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda n, _: noted.append(n)) for number in heard}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
