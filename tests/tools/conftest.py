"""The tools run as the launchers do: real commands on a tiny folder in Cityscapes' layout."""

from tests.end_to_end.conftest import command, datasets  # noqa: F401
