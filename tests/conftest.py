"""``pytest --device cuda --dtype bfloat16``: the same tests of ``nn`` where a GPU is at hand."""

import pytest
import torch

from tests import mmseg_bases

pytest_plugins = ("tests.reliability",)


def pytest_addoption(parser):
    parser.addoption("--device", default="cpu", help="of the layer tests: cpu or cuda")
    parser.addoption("--dtype", default="float32", help="of their maps: float32, bfloat16, float16")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A config with a base mmseg::... cannot be read with onedl-mmsegmentation: no test of ours."""
    try:
        return (yield)
    except (ImportError, ValueError) as error:
        if "mmsegmentation is not installed" in str(error) and not mmseg_bases.are_found():
            pytest.skip(mmseg_bases.REASON)
        raise


@pytest.fixture
def device(request):
    name = request.config.getoption("--device")
    if name.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip(f"--device {name}: torch finds no GPU here")
    return torch.device(name)


@pytest.fixture
def dtype(request):
    return getattr(torch, request.config.getoption("--dtype"))
