"""Whether MMEngine finds bases mmseg::...: it looks for them in a distribution mmsegmentation."""

import importlib.util
from importlib.metadata import PackageNotFoundError, distribution

REASON = "onedl-mmsegmentation: MMEngine finds no base of the form mmseg::..."


def are_found() -> bool:
    try:
        distribution("mmsegmentation")
    except PackageNotFoundError:
        return importlib.util.find_spec("mmseg") is None  # without MMSegmentation nothing is lost
    return True
