"""A key of ours that is misspelt is refused by name, wherever it stands."""

import pytest
import yaml

pytest.importorskip("detectron2")

from detectron2.config import CfgNode, get_cfg

from snr_plugins.configs import config_path
from snr_plugins.detection.config import add_snr_config, load_config
from snr_plugins.errors import InputError
from tests.misspelling import misspelt

CONFIG = config_path("detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml")


def keys_in(cfg, prefix=""):
    """Every key with its value, MODEL.SNR.LAYER for one."""
    for key, value in cfg.items():
        if isinstance(value, CfgNode) and value:
            yield from keys_in(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def keys_of_ours():
    theirs, ours = get_cfg(), get_cfg()
    add_snr_config(ours)
    return sorted(dict(keys_in(ours)).keys() - dict(keys_in(theirs)).keys())


@pytest.mark.fault(
    "interruption",
    "A letter lost, doubled or exchanged in each key of ours in a config of Detectron2, in the "
    "file and on the command line",
    "the key is refused by its name",
    tries=2,
)
@pytest.mark.parametrize("key", keys_of_ours())
def test_a_misspelt_key_is_refused(key, tmp_path):
    section, _, name = key.rpartition(".")
    wrong = f"{section}.{misspelt(name)}"
    with pytest.raises(InputError, match=wrong.replace(".", r"\.")):
        load_config(CONFIG, [wrong, "1"])
    nested = 1
    for part in reversed(wrong.split(".")):
        nested = {part: nested}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"_BASE_": str(CONFIG), **nested}))
    with pytest.raises(InputError, match=wrong.replace(".", r"\.")):
        load_config(str(path))


def test_there_are_keys_to_misspell():
    assert {"MODEL.SNR.LAYER", "INPUT.PHOTOMETRIC", "DATASETS.TARGET_FOLDER"} < {*keys_of_ours()}
    assert len(keys_of_ours()) > 30
