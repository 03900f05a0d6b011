"""Datasets of one's own: the module that the environment variable SNR_DATASETS names.

Detectron2's DETECTRON2_ENV_MODULE names one module, and under its stock launchers that has to be
``snr_plugins.detection.env``; so ours imports the user's.
"""

from __future__ import annotations

import functools
import os
import sys

from detectron2.utils.env import setup_custom_environment

from snr_plugins.errors import InputError

VARIABLE = "SNR_DATASETS"


def register_own_datasets() -> None:
    """Call ``setup_environment()`` of the module that SNR_DATASETS names, once per process.

    The module is a Python file (``folder/my_data.py``) or a name to import (``my_data``), sought in
    the working folder too. Does nothing where the variable is not set.

    Raises:
        InputError: there is no such module, or it has no ``setup_environment()``.
    """
    name = os.environ.get(VARIABLE, "")
    if name and name != os.environ.get("DETECTRON2_ENV_MODULE"):  # which Detectron2 has run
        _run(name)


@functools.cache
def _run(name: str) -> None:
    if os.getcwd() not in sys.path:  # a launcher's own folder stands there instead
        sys.path.append(os.getcwd())
    if name.endswith(".py") and not os.path.isfile(name):
        raise InputError(f"{VARIABLE}: the file {name} does not exist in {os.getcwd()}")
    try:
        setup_custom_environment(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there, what it imports is not
        raise InputError(
            f"{VARIABLE}: there is no module {name}, neither installed nor in {os.getcwd()}; name "
            "a module or a .py file"
        ) from None
    except AssertionError as error:
        if "'setup_environment'" not in str(error):
            raise
        raise InputError(
            f"{VARIABLE}: {name} has no function setup_environment(); register the datasets in one"
        ) from None
