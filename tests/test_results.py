"""Tables and intervals against textbooks; stamps as each framework leaves them in its folders."""

import json
import math
import statistics

import numpy as np
import pytest

from snr_plugins.errors import InputError
from snr_plugins.results import (
    Scores,
    describe_checkpoint,
    half_width,
    interval,
    read_stamps,
    table,
    write_stamp,
)


def student_density(t, freedom):
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    return (
        math.exp(log) / math.sqrt(freedom * math.pi) * (1 + t**2 / freedom) ** (-freedom / 2 - 0.5)
    )


@pytest.mark.parametrize("count", range(2, 31))
def test_half_width_holds_95_percent_of_students_density(count):
    values = [float(value) for value in range(count)]
    factor = half_width(values) / (statistics.stdev(values) / count**0.5)
    t = np.linspace(-factor, factor, 20001)
    inside = np.trapz(student_density(t, count - 1), t)
    assert inside == pytest.approx(0.95, abs=5e-5)


def test_interval_of_students_own_example():
    """Hours of sleep gained (Student 1908, table of ten patients): t = 4.06, 0.70 to 2.46."""
    gains = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    mean, half = statistics.mean(gains), half_width(gains)
    assert (mean - half, mean + half) == pytest.approx((0.7001, 2.4599), abs=1e-3)
    assert interval(gains) == "+1.6 ± 0.9"


def test_interval_of_few_and_of_many():
    assert interval([1.0, 2.0, 3.0]) == "+2.0 ± 2.5"  # 4.303 / sqrt(3) = 2.48
    assert interval([-1.0]) == "-1.0"
    # of 101 values t is 1.984; that of 30 is taken, never a narrower one
    many = [float(value) for value in range(101)]
    exact = 1.984 * statistics.stdev(many) / 101**0.5
    assert exact < half_width(many) < 1.05 * exact


def runs_of(scores, metric="mIoU"):
    return {
        form: {seed: Scores(metric, domains) for seed, domains in seeds.items()}
        for form, seeds in scores.items()
    }


PLAIN = {1: {"day": 40.0, "dusk": 10.0}, 2: {"day": 42.0, "dusk": 20.0}}


def test_gains_are_paired_by_seed():
    loss = {2: {"day": 43.0, "dusk": 23.0}, 1: {"day": 41.0, "dusk": 13.0}}
    lines = table(runs_of({"plain": PLAIN, "loss": loss})).splitlines()
    assert lines[0] == "| mIoU | day | dusk |"
    assert lines[2] == "| plain | 41.0 (40.0, 42.0) | 15.0 (10.0, 20.0) |"
    assert lines[3] == "| loss | 42.0 (43.0, 41.0) +1.0 ± 0.0 | 18.0 (23.0, 13.0) +3.0 ± 0.0 |"


def test_no_baseline_no_gain_and_nan_stays():
    nan = {1: {"day": math.nan, "dusk": 1.0}}
    assert table(runs_of({"snr": PLAIN}, "AP50")).splitlines()[2].count("±") == 0
    last = table(runs_of({"plain": PLAIN, "snr": nan})).splitlines()[-1]
    assert last == "| snr | nan (nan) +nan | 1.0 (1.0) -9.0 |"
    assert interval([math.nan, 1.0, 2.0]) == "+nan ± nan"


def test_a_failed_run_stands_in_its_place():
    snr = {**runs_of({"snr": {1: {"day": 41.0, "dusk": 13.0}}})["snr"], 2: None}
    lines = table({**runs_of({"plain": PLAIN}), "snr": snr, "dsu": {1: None}}).splitlines()
    assert lines[3] == "| snr | 41.0 (41.0, failed) +1.0 | 13.0 (13.0, failed) +3.0 |"
    assert lines[4] == "| dsu | failed | failed |"
    assert table({"snr": {1: None}}).splitlines()[2] == "| snr | failed |"


def test_other_domains_do_not_compare():
    with pytest.raises(InputError, match="snr, seed 1 has mIoU of day, another run mIoU of day, d"):
        table(runs_of({"plain": PLAIN, "snr": {1: {"day": 1.0}}}))


def stamp(path, domains, checkpoint=None, metric="mIoU", augmentation="none"):
    """A stamp as the frameworks' parts write it, with all that reading it does not need empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "datasets": [],
        "image_size": None,
        "test_time_augmentation": augmentation,
        "checkpoint": checkpoint or describe_checkpoint(None),
        "seed": None,
        "versions": {},
        "scores": {},
        "metric": metric,
        "domains": domains,
    }
    write_stamp(path, content)


@pytest.mark.parametrize("folder", ["inference/a_val", "inference", "."])
def test_detectron2_has_a_stamp_for_each_dataset(tmp_path, folder):
    stamp(tmp_path / folder / "a_val_stamp.json", {"a_val": 41.5}, metric="AP50")
    stamp(tmp_path / folder / "b_val_stamp.json", {"b_val": math.nan}, metric="AP50")
    metric, domains = read_stamps(tmp_path)
    assert metric == "AP50" and domains.keys() == {"a_val", "b_val"}
    assert domains["a_val"] == 41.5 and math.isnan(domains["b_val"])


def test_the_latest_start_of_mmengine_counts_whatever_its_folder_is_called(tmp_path):
    stamp(tmp_path / "20260102_000000" / "stamp_val.json", {"day": 1.0, "dusk": 2.0})
    stamp(tmp_path / "20260101_000000" / "stamp_test.json", {"dusk": 3.0})
    assert read_stamps(tmp_path) == ("mIoU", {"day": 1.0, "dusk": 3.0})


def test_scores_of_other_weights_are_not_mixed_in(tmp_path):
    weights = tmp_path / "model_final.pth"
    weights.write_bytes(b"first")
    stamp(tmp_path / "a" / "stamp_val.json", {"dawn": 9.0}, describe_checkpoint(weights, 300))
    stamp(tmp_path / "b" / "stamp_val.json", {"day": 1.0}, describe_checkpoint(None, 100))
    weights.write_bytes(b"second")
    stamp(tmp_path / "c" / "stamp_val.json", {"night": 2.0}, describe_checkpoint(weights, 300))
    stamp(
        tmp_path / "d" / "stamp_test.json",
        {"rain": 8.0},
        describe_checkpoint(weights),
        augmentation="SegTTAModel",
    )
    # the same file, named in another way and with no iteration
    stamp(tmp_path / "e" / "stamp_test.json", {"dusk": 3.0}, describe_checkpoint(str(weights)))
    assert read_stamps(tmp_path) == ("mIoU", {"night": 2.0, "dusk": 3.0})


def test_no_stamp_and_stamps_that_cannot_be_used(tmp_path):
    assert read_stamps(tmp_path / "nowhere") is None
    (tmp_path / "coco_instances_results.json").write_text("[]")
    assert read_stamps(tmp_path) is None
    path = tmp_path / "a_val_stamp.json"
    path.write_text(json.dumps({"scores": {}}))
    with pytest.raises(InputError, match=r"a_val_stamp.json has no 'domains'.*: test again"):
        read_stamps(tmp_path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"a_val_stamp.json is no JSON"):
        read_stamps(tmp_path)
