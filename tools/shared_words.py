"""Names of datasets, short enough for a table or a legend."""

from __future__ import annotations

from collections.abc import Sequence


def in_short(names: Sequence[str]) -> list[str]:
    """Names without the words that all of them begin and end with.

    >>> in_short(["city_clear_val", "city_fog_0.02_val"])
    ['clear', 'fog_0.02']
    """
    words = [name.split("_") for name in names]
    spare = min(map(len, words)) - 1 if len(names) > 1 else 0
    first = next((i for i in range(spare) if len({w[i] for w in words}) > 1), spare)
    last = next((i for i in range(spare - first) if len({w[-1 - i] for w in words}) > 1), None)
    last = spare - first if last is None else last
    return ["_".join(w[first : len(w) - last]) for w in words]
