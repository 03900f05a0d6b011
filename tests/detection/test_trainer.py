"""Config files that cannot be read end in one sentence that names them."""

import pytest

from snr_plugins.detection.trainer import load_config
from snr_plugins.errors import InputError


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("broken.yaml", "MODEL: [1, 2", "broken.yaml is not valid YAML near line"),
        ("list.yaml", "- 1\n- 2\n", "list.yaml must hold a mapping"),
        ("empty.yaml", "", "empty.yaml must hold a mapping"),
        ("based.yaml", '_BASE_: "gone.yaml"\n', "gone.yaml"),
        ("key.yaml", "MODEL:\n  SNR:\n    STAGE: [res2]\n", "MODEL.SNR.STAGE.*MODEL.SNR.STAGES"),
        ("lazy.py", "model = 1\n", "LazyConfig.*lazyconfig_train_net.py"),
    ],
)
def test_unreadable_config_is_named(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_config(str(path), ["MODEL.DEVICE", "cpu"])
