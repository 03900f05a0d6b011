"""A synthetic city: endless labelled streets in clear weather, fog, night and rain."""

from snr_plugins.city.writer import CONDITIONS, write_city

__all__ = ["CONDITIONS", "write_city"]
