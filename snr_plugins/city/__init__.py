"""A synthetic city: endless labelled streets in clear weather, fog, night and rain."""

from snr_plugins.city.writer import WEATHERS, write_city

__all__ = ["WEATHERS", "write_city"]
