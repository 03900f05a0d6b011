"""The small sums behind the pictures, against values derived in another way."""

import numpy as np
import pytest
import shift
import torch
from looking import roc
from looking.checkpoints import find_config, training_record
from looking.figures import principal_plane, share_between
from looking.measures import look
from looking.network import Domain, Frame, parse_domain, spread
from looking.palette import OKABE_ITO, class_colours
from shared_words import in_short
from torch import nn

from snr_plugins.errors import InputError
from snr_plugins.nn import insert_layer


def test_area_below_the_roc():
    # of six pairs the other is larger in four, and ties in one
    assert roc.area(np.array([1.0, 2.0, 5.0]), np.array([2.0, 9.0])) == pytest.approx(4.5 / 6)
    assert roc.area(np.array([0.0, 1.0]), np.array([3.0, 2.0])) == 1
    assert roc.area(np.array([3.0, 2.0]), np.array([0.0, 1.0])) == 0


def test_area_is_that_of_the_curve():
    rng = np.random.default_rng(0)
    source, other = rng.integers(0, 9, 40), rng.integers(3, 12, 30)  # with ties
    false_alarms, alarms = roc.curve(source, other)
    assert (false_alarms[0], alarms[0], false_alarms[-1], alarms[-1]) == (0, 0, 1, 1)
    assert np.trapz(alarms, false_alarms) == pytest.approx(roc.area(source, other))


def test_groups_by_size_hold_each_image_once():
    figures = np.array([5.0, 1.0, 9.0, 3.0, 7.0])
    groups = roc.by_size(figures, 2)
    assert [figures[g].tolist() for g in groups] == [[1.0, 3.0, 5.0], [7.0, 9.0]]


def test_principal_plane_is_torchs():
    points = np.random.default_rng(0).normal(size=(60, 5)) * (5, 3, 1, 1, 1) + 7
    plane, shares = principal_plane(points)
    torch.manual_seed(0)
    _, values, axes = torch.pca_lowrank(torch.tensor(points), q=5, niter=20)
    expected = (torch.tensor(points) - points.mean(0)) @ axes[:, :2]
    np.testing.assert_allclose(np.abs(plane), expected.abs(), rtol=1e-5, atol=1e-6)
    assert shares[0] == pytest.approx(float(values[0] ** 2 / (values**2).sum()))


def test_share_of_the_variance_between_groups():
    points = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
    # of a total of 16 + 4, all of the first channel lies between the pairs
    left, none = np.array([True, True, False, False]), np.zeros(4, bool)
    assert share_between(points, [left, ~left, none]) == pytest.approx(16 / 20)
    assert share_between(points, [left | True]) == 0


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["city_clear_val", "city_fog_0.01_val"], ["clear", "fog_0.01"]),
        (["a_fog_0.01_c", "a_fog_0.02_c", "a_night_c"], ["fog_0.01", "fog_0.02", "night"]),
        (["a_b", "a_b_c"], ["b", "b_c"]),
        (["day", "dusk"], ["day", "dusk"]),
        (["city_val"], ["city_val"]),
    ],
)  # fmt: skip
def test_names_in_short(names, short):
    assert in_short(names) == short


def test_domains_are_names_folders_and_files(tmp_path):
    (tmp_path / "fog").mkdir()
    assert parse_domain("city_val") == Domain("city_val", None)
    assert parse_domain(str(tmp_path / "fog")) == Domain("fog", tmp_path / "fog")
    assert parse_domain(f"mist={tmp_path / 'fog'}") == Domain("mist", tmp_path / "fog")
    with pytest.raises(InputError, match="gone does not exist"):
        parse_domain(f"mist={tmp_path / 'gone'}")


def test_frames_are_spread_over_all():
    assert spread(range(9), 3) == [0, 4, 8]
    assert spread(range(3), 0) == spread(range(3), 5) == [0, 1, 2]


def test_config_beside_a_checkpoint(tmp_path):
    checkpoint = tmp_path / "model_final.pth"
    with pytest.raises(InputError, match=r"model_final\.pth does not exist"):
        find_config(checkpoint)
    checkpoint.touch()
    with pytest.raises(InputError, match="no config beside .*--config"):
        find_config(checkpoint)
    copies = [tmp_path / start / "vis_data" / "config.py" for start in ("20260101", "20260102")]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.touch()
    assert find_config(checkpoint) == copies[1]
    (tmp_path / "a.py").touch()
    assert find_config(checkpoint) == tmp_path / "a.py"
    (tmp_path / "b.py").touch()
    with pytest.raises(InputError, match=r"several configs \(a.py, b.py\).*--config"):
        find_config(checkpoint)
    (tmp_path / "config.yaml").touch()
    assert find_config(checkpoint) == tmp_path / "config.yaml"


def test_records_of_training_in_both_frameworks_words(tmp_path):
    (tmp_path / "metrics.json").write_text('{"iteration": 19, "x": 1}\n{"time": 3}\n')
    folder = tmp_path / "20260101" / "vis_data"
    folder.mkdir(parents=True)
    (folder / "scalars.json").write_text('{"step": 20, "x": 2}\n')
    found = training_record(tmp_path / "any.pth")
    assert [(line["iteration"], line["x"]) for line in found] == [(19, 1), (20, 2)]


def test_eight_classes_have_eight_colours():
    assert len({tuple(rgb) for rgb in class_colours(8)}) == len(set(OKABE_ITO)) == 8
    assert class_colours(1) == [[0, 114, 178]]


def test_scores_of_a_table_are_those_of_any_domain(capsys):
    """The source may be a folder without labels."""
    common = {"images": 3, "median": {"res2": 0.5}, "auc": {"res2": 0.5}}
    found = {"source": {**common, "score": {}}, "fog": {**common, "score": {"SNR": 41.0}}}
    shift.print_table(found, "AP50")
    head, _, source, fog = capsys.readouterr().out.splitlines()
    assert head.endswith("| AP50 SNR |") and source.endswith("|  |") and fog.endswith("| 41.0 |")


def test_a_layer_that_acts_in_training_alone_has_no_pictures(tmp_path):
    model = insert_layer(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3))), ["0"], "mixstyle").eval()

    class Bare:
        """As much of a network as is looked at before the first picture."""

        def __init__(self):
            self.model = model

        def frames(self, domain, count):
            yield Frame(str(tmp_path), "a", torch.rand(1, 3, 9, 9), None)

        def predict(self, frame):
            return model(frame.inputs)

    with pytest.raises(InputError, match="MixStyle acts in training alone"):
        list(look(Bare(), None, 1, 1))
