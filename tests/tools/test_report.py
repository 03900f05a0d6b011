"""Reports of stamps as the frameworks leave them; figures against SciPy and sums by hand."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import figures
import numpy as np
import pytest
import yaml
from gathered import record_of
from joined import join
from page import page_of
from plans import read_plan
from records import RECORDS, neutral, read_records, write_record
from report import DOCS, PUBLISHED, generated, keep
from runs import runs_of
from scipy import stats
from tables import comparison, with_blocks

from snr_plugins.errors import InputError
from snr_plugins.results import describe_checkpoint, write_stamp
from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import CONFIGS, small_network, write_two_colour_streets

BOXES = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml"
CLASSES = ["person", "car"]
CLEAR, FOG, RAIN = DOMAINS = ("city_clear_val", "city_foggy_val", "city_rain_val")
# arm, then seed, to the scores on clear, fog and rain; a run without has failed
SCORES = {
    "plain": {1: (50.0, 20.0, 4.0), 2: (52.0, 24.0, 3.0), 3: (51.0, 19.0, 8.0)},
    "instance_norm": {1: (48.0, 30.0, 9.0), 2: (49.0, 33.0, 10.0), 4: (47.0, 31.0, 12.0)},
    "dsu": {1: None},
    "mixstyle": {1: (50.0, 21.0, 4.0), 2: None},
    "snr": {1: (51.0, 31.0, 9.0), 2: (52.5, 32.0, 14.0), 3: (50.0, 36.0, math.nan)},
}


def write_run(run, scores, network=None, adaptation=None):
    """A run of Detectron2 as tools/compare.py leaves it; each class scores 1 beside the mean."""
    run.folder.mkdir(parents=True)
    if scores is None:
        run.note("failed", seconds=4, error=f"MODEL.WEIGHTS: {run.folder}/a.pth does not exist")
        return
    weights = run.folder / "model_final.pth"
    weights.write_bytes(run.name.encode())
    for domain, score in zip(DOMAINS, scores, strict=True):
        classes = {} if math.isnan(score) else {"person": score - 1, "car": score + 1}
        counts = {"images": 80, "boxes": 9, "groups": 0, "box_convention": "detectron2"}
        about = {"name": domain, "folder": str(run.folder), "betas": [], "classes": CLASSES}
        found = {"AP50": score, **{f"AP50-{name}": value for name, value in classes.items()}}
        folder = run.folder / "inference" / domain
        folder.mkdir(parents=True)
        stamp = {
            "datasets": [about | counts],
            "image_size": "256, at most 512",
            "test_time_augmentation": "none",
            "checkpoint": describe_checkpoint(weights, 60),
            "network": network,
            "seed": run.seed,
            "versions": {"snr_plugins": "0.1.0"},
            "scores": {"bbox": {**found, "AP50-11-points": 7.0}},
            "metric": "AP50",
            "domains": {domain: score},
            "style_distance": {domain: {"backbone.bottom_up.res2.snr": run.seed + 0.5}},
        }
        if adaptation is not None:
            stamp["adaptation"] = adaptation
        write_stamp(folder / f"{domain}_stamp.json", stamp)
    lines = [{"iteration": i, "total_loss": 3 - i / 60} for i in range(60)]
    lines.append({"iteration": 0, "snr/bottom_up_res2/entropy_enhanced": 2.0})
    (run.folder / "metrics.json").write_text("\n".join(map(json.dumps, lines)))
    run.note("finished", commit="0123456789ab", seconds=300)


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    arms = {arm: list(seeds) for arm, seeds in SCORES.items()}
    entry = {"name": "city", "title": "A city", "config": BOXES, "arms": arms, "source": CLEAR}
    path.write_text(yaml.safe_dump(entry, sort_keys=False))
    return path


@pytest.fixture
def record(plan, tmp_path):
    """Kept and read again."""
    (city,) = read_plan(plan)
    runs = runs_of([city], tmp_path / "runs")
    for run in runs:
        write_run(run, SCORES[run.word][run.seed])
    write_record(record_of(city, runs, plan, None), tmp_path / "kept")
    (found,) = read_records(tmp_path / "kept")
    return found


def values(arm, domain):
    return {seed: s[DOMAINS.index(domain)] for seed, s in SCORES[arm].items() if s is not None}


@pytest.mark.parametrize("baseline", ["plain", "instance_norm"])
@pytest.mark.parametrize("domain", [CLEAR, FOG])
def test_gains_have_the_interval_of_scipys_paired_t_test(record, domain, baseline):
    ours, theirs = values("snr", domain), values(baseline, domain)
    common = [seed for seed in ours if seed in theirs]
    assert len(common) == (3 if baseline == "plain" else 2)
    test = stats.ttest_rel([ours[s] for s in common], [theirs[s] for s in common])
    low, high = test.confidence_interval(0.95)
    gain = figures.paired(
        figures.scores(record, "snr", domain), figures.scores(record, baseline, domain)
    )
    found = (gain.value - gain.around, gain.value + gain.around, gain.count)
    assert found == pytest.approx((low, high, len(common)), abs=2e-3)


def test_spread_is_the_deviation_of_a_sample(record):
    spread = figures.spread(figures.scores(record, "plain", FOG))
    of_numpy = np.std([20.0, 24.0, 19.0], ddof=1)
    assert spread == (21.0, pytest.approx(of_numpy), 3)


def test_the_mean_of_the_unseen_is_taken_within_each_seed(record):
    assert figures.scores(record, "plain", figures.UNSEEN) == {1: 12.0, 2: 13.5, 3: 13.5}


def test_the_drop_is_paired_within_each_run(record):
    drop = figures.drop(record, "plain", FOG)  # -30, -28, -32
    assert drop == (-30.0, pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3), 3)
    assert figures.drop({**record, "source": None}, "plain", FOG) is None


def test_what_is_kept_names_no_machine_and_loses_nothing(record, tmp_path):
    text = (tmp_path / "kept" / "city.json").read_text()
    assert str(tmp_path) not in text and not re.search(r'[" ]/\w', text)
    run = record["arms"]["snr"]["runs"][0]
    assert run["scores"] == dict(zip(DOMAINS, SCORES["snr"][1], strict=True))
    assert run["classes"][FOG] == {"person": 30.0, "car": 32.0}  # not the 11 points
    assert run["distances"][RAIN] == {"backbone.bottom_up.res2.snr": 1.5}
    assert run["command"] == (
        "python tools/train.py configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city_snr.yaml "
        "SEED 1 OUTPUT_DIR output/city/snr_1"
    )
    assert (run["commit"], run["checkpoint"]["iteration"]) == ("0123456789ab", 60)
    loss = run["curves"]["loss"]
    assert (loss["iterations"][0], loss["iterations"][-1], len(loss["values"])) == (1, 60, 30)
    assert loss["values"][-1] == pytest.approx(3 - 59 / 60, abs=1e-4)
    assert run["curves"]["res2/enhanced"] == {"iterations": [1], "values": [2.0]}
    (failed,) = record["arms"]["dsu"]["runs"]
    assert failed["error"] == "MODEL.WEIGHTS: a.pth does not exist"


def test_several_machines_share_a_plan(record, plan, tmp_path):
    """What was kept stays where nothing of it is at hand, and one run at hand takes its place."""
    (city,) = read_plan(plan)
    runs = runs_of([city], tmp_path / "elsewhere")
    assert record_of(city, runs, plan, None, [record]) == record
    first = next(run for run in runs if (run.word, run.seed) == ("snr", 2))
    write_run(first, (1.0, 2.0, 3.0))
    both = record_of(city, runs, plan, None, [record])
    one, two, three = both["arms"]["snr"]["runs"]
    assert (one, three) == tuple(record["arms"]["snr"]["runs"][::2])
    assert two["scores"] == dict(zip(DOMAINS, (1.0, 2.0, 3.0), strict=True))
    assert comparison(json.loads(json.dumps(both)))
    entry = yaml.safe_load(plan.read_text()) | {"options": {"SOLVER.MAX_ITER": 9}}
    plan.write_text(yaml.safe_dump(entry, sort_keys=False))
    (other,) = read_plan(plan)  # another command, another run
    with pytest.raises(InputError, match="city: no run has finished"):
        record_of(other, runs_of([other], tmp_path / "nowhere"), plan, None, [record])


def test_what_is_no_longer_kept_is_told(record, plan, tmp_path, capsys):
    keep(plan, tmp_path / "runs", tmp_path / "kept", None)
    assert "no longer" not in capsys.readouterr().out
    entry = yaml.safe_load(plan.read_text())
    arms = {"plain": [1, 2], "snr": [1, 2, 3]}
    plan.write_text(yaml.safe_dump(entry | {"arms": arms}, sort_keys=False))
    keep(plan, tmp_path / "elsewhere", tmp_path / "kept", None)
    told, written = capsys.readouterr().out.splitlines()
    assert told.endswith(
        ": plain, seed 3, instance_norm, seed 1, instance_norm, seed 2, instance_norm, seed 4, "
        "mixstyle, seed 1"
    )
    assert written.endswith("city.json")


def test_a_log_that_a_killed_run_has_cut_is_read_up_to_there(record, plan, tmp_path):
    (city,) = read_plan(plan)
    runs = runs_of([city], tmp_path / "runs")
    log = next(r for r in runs if (r.word, r.seed) == ("snr", 1)).folder / "metrics.json"
    log.write_text(log.read_text() + '\n{"iteration": 60, "total_l')
    write_record(record_of(city, runs, plan, None), tmp_path / "again")
    assert read_records(tmp_path / "again") == [record]


def test_a_run_that_failed_here_and_finished_elsewhere_has_finished(record, plan, tmp_path):
    (city,) = read_plan(plan)
    runs = runs_of([city], tmp_path / "elsewhere")
    by_name = {(run.word, run.seed): run for run in runs}
    write_run(by_name["snr", 2], None)
    write_run(by_name["mixstyle", 2], None)  # failed there too: here is the later one
    both = record_of(city, runs, plan, None, [record])
    assert both["arms"]["snr"] == record["arms"]["snr"]
    failed = both["arms"]["mixstyle"]["runs"][1]
    assert failed["error"] != "" and failed["status"] == "failed"


def test_a_default_that_has_moved_is_not_mixed_in(record, plan, tmp_path):
    """Neither with runs of now nor with kept ones; what older stamps do not say is let be."""
    (city,) = read_plan(plan)
    now, then = {"snr_losses": "loss_weight=0.01"}, {"snr_losses": "loss_weight=0.1"}
    runs = runs_of([city], tmp_path / "elsewhere")
    by_name = {(run.word, run.seed): run for run in runs}
    write_run(by_name["snr", 1], (1.0, 2.0, 3.0), now)
    kept = record_of(city, runs, plan, None, [record])
    assert kept["arms"]["snr"]["network"] == now and kept["arms"]["plain"]["network"] is None
    later = runs_of([city], tmp_path / "later")
    by_name = {(run.word, run.seed): run for run in later}
    write_run(by_name["snr", 2], (1.0, 2.0, 3.0), now)
    assert record_of(city, later, plan, None, [kept])["arms"]["snr"]["network"] == now
    write_run(by_name["snr", 3], (1.0, 2.0, 3.0), then)
    sentence = "snr, seed 3 has another network inside .* loss_weight=0.1, and was loss_weight=0.01"
    with pytest.raises(InputError, match=sentence):
        record_of(city, later, plan, None, [kept])


def test_rows_that_are_shared_come_from_where_they_are_kept(record, plan, tmp_path):
    entry = {"name": "forms", "config": BOXES, "arms": ["plain", "dsu"], "seeds": [1, 2]}
    entry |= {"shared": {"city": ["plain"]}, "targets": [CLEAR, RAIN]}
    plan.write_text(yaml.safe_dump(entry, sort_keys=False))
    (forms,) = read_plan(plan)
    found = record_of(forms, runs_of([forms], tmp_path / "nowhere"), plan, None, [record])
    assert list(found["arms"]) == ["plain"] and found["domains"] == [CLEAR, RAIN]
    assert [part["name"] for part in found["datasets"]] == [CLEAR, RAIN]
    runs = found["arms"]["plain"]["runs"]
    assert [run["scores"] for run in runs] == [{CLEAR: 50.0, RAIN: 4.0}, {CLEAR: 52.0, RAIN: 3.0}]
    assert all(set(run["classes"]) == {CLEAR, RAIN} for run in runs)
    plan.write_text(yaml.safe_dump(entry | {"targets": ["city_night_val"]}, sort_keys=False))
    (forms,) = read_plan(plan)
    runs = runs_of([forms], tmp_path / "nowhere")
    with pytest.raises(InputError, match="not tested on city_night_val when it was kept: run it"):
        record_of(forms, runs, plan, None, [record])


def test_paths_of_the_repository_stay_and_others_keep_their_name():
    text = f"{ROOT}/configs/a.yaml lacks '/tmp/x y/b.pth', 1/2, ../c, ~/d, https://e.org/f"
    assert neutral(text) == "configs/a.yaml lacks 'x y/b.pth', 1/2, ../c, ~/d, https://e.org/f"


def test_tables_in_markdown(record):
    lines = comparison(record).splitlines()
    assert "| AP50 | clear | foggy | rain | mean of the unseen |" in lines
    assert "| plain | 51.0 ± 1.0 (3) | 21.0 ± 2.6 (3) | 5.0 ± 2.6 (3) | 13.0 ± 0.9 (3) |" in lines
    assert "| DSU | failed | failed | failed | failed |" in lines
    assert "| MixStyle | 50.0 (1, 1 failed) | 21.0 (1, 1 failed) |" in "\n".join(lines)
    assert "- DSU, seed 1: MODEL.WEIGHTS: a.pth does not exist" in lines
    # over plain on clear: +1, +0.5, -1; in fog +11, +8, +17; in rain +5, +11
    assert (
        "| SNR, the config's default | +0.2 ± 2.6 (3) | **+12.0 ± 11.4** (3) | +nan ± nan (3) |"
        " +nan ± nan (3) |"
    ) in lines
    # over instance norm, seeds 1 and 2 alone: +3, +3.5; +1, -1; 0, +4; +0.5, +1.5
    assert (
        "| SNR, the config's default | **+3.2 ± 3.2** (2) | +0.0 ± 12.7 (2) | +2.0 ± 25.4 (2) |"
        " +1.0 ± 6.4 (2) |"
    ) in lines
    assert "| person | +0.2 ± 2.6 (3) | +12.0 ± 11.4 (3) | +8.0 ± 38.1 (2) |" in [
        line.replace("*", "") for line in lines
    ]
    assert any(line.startswith("nan: not a number. The evaluator has no AP50") for line in lines)
    assert "    python tools/compare.py plan.yaml    # all of it" in lines


def held_out(record, domain):
    """The comparison of what was tested on ``domain``, and on the source, which scores otherwise
    in each."""
    other = json.loads(json.dumps(record)) | {"name": f"city_{domain}", "joined": "city"}
    other["domains"] = [domain, CLEAR]
    for arm in other["arms"].values():
        for run in arm["runs"]:
            if run["status"] == "finished":
                run["scores"] = {d: run["scores"][d] for d in other["domains"]}
                run["scores"][CLEAR] += len(domain)
    return other


def test_runs_that_held_out_one_domain_each_make_one_table(record):
    alone = {**record, "name": "alone"}
    parts = [held_out(record, FOG), alone, held_out(record, RAIN)]
    del parts[2]["arms"]["plain"]["runs"][0]  # has not run yet
    (rain,) = [run for run in parts[2]["arms"]["plain"]["runs"] if run["seed"] == 2]
    rain |= {"commit": "1123456789ab", "classes": {CLEAR: {"person": 52.0, "car": 55.0}}}
    rain["classes"][RAIN] = {"person": 2.0, "car": 4.0}
    together, same = join(parts)
    assert same is alone
    assert together["name"] == "city" and together["domains"] == [FOG, RAIN, CLEAR]
    runs = figures.finished(together, "plain")
    of_source = (len(FOG) + len(RAIN)) / 2
    assert [run["scores"] for run in runs] == [
        {FOG: 24.0, RAIN: 3.0, CLEAR: 52 + of_source},
        {FOG: 19.0, RAIN: 8.0, CLEAR: 51 + of_source},
    ]
    assert figures.scores(together, "plain", figures.UNSEEN) == {2: 13.5, 3: 13.5}
    # a drop is within the runs of its own domain
    for domain in (FOG, RAIN):
        drop = [24 - 52 - len(FOG), 19 - 51 - len(FOG)]
        if domain == RAIN:
            drop = [3 - 52 - len(RAIN), 8 - 51 - len(RAIN)]
        assert figures.drop(together, "plain", domain).value == pytest.approx(sum(drop) / 2)
    unseen = figures.drop(together, "plain", figures.UNSEEN)
    assert unseen.value == pytest.approx(13.5 - 51.5 - of_source)
    assert runs[0]["classes"][RAIN]["car"] == 4.0
    assert runs[0]["classes"][CLEAR] == {"person": 51.5, "car": 54.0}
    assert "commit 0123456789ab, 1123456789ab, unknown." in comparison(together)
    loss = record["arms"]["plain"]["runs"][0]["curves"]["loss"]
    assert list(runs[0]["curves"]["loss"]["values"]) == loss["values"]
    (failed,) = together["arms"]["dsu"]["runs"]
    assert failed["status"] == "failed" and failed["error"].endswith("does not exist")
    text, page = comparison(together), page_of([together], [])
    for reader in (text, page):
        assert "Each unseen domain has runs of its own, clear is the mean over them." in reader
    assert (
        f"comparisons/city_{FOG}.json`, `benchmarks/results/comparisons/city_{RAIN}.json`" in text
    )
    assert '<section id="city">' in page


ADAPTED = {  # as SCORES: row, then seed
    "source_only.plain": {1: (50.0, 20.0, 4.0), 2: (52.0, 24.0, 3.0)},
    "source_only.snr": {1: (51.0, 31.0, 9.0), 2: (53.0, 32.0, 14.0)},
    "da.plain": {1: (10.0, 30.0, 14.0), 2: (12.0, 36.0, 16.0)},
    "da.snr": {1: (40.0, 32.0, 10.0), 2: (44.0, 34.0, 15.0)},
}


def adapted(tmp_path, domain):
    """The kept comparison of methods and arms that were adapted to ``domain``."""
    path = tmp_path / f"to_{domain}.yaml"
    methods = {"source_only": None, "da": {"title": "adversarial"}}
    entry = {
        "name": domain,
        "joined": "adaptation",
        "config": BOXES,
        "source": CLEAR,
        "targets": [CLEAR, domain],
        "arms": ["plain", "snr"],
        "seeds": [1, 2],
        "methods": methods,
        "baselines": ["source_only.{arm}", "{method}.plain"],
    }
    path.write_text(yaml.safe_dump(entry))
    (experiment,) = read_plan(path)
    runs = runs_of([experiment], tmp_path / "runs")
    train = domain.replace("val", "train")
    about = {"source": CLEAR, "target": train, "target_images": 32, "test_images_among_them": 0}
    for run in runs:
        method = run.word.partition(".")[0]
        write_run(run, ADAPTED[run.word][run.seed], adaptation=about if method == "da" else None)
    write_record(record_of(experiment, runs, path, None), tmp_path / "kept")
    # kept, all of it stays where no run is found
    record = record_of(
        experiment,
        runs_of([experiment], tmp_path / "nowhere"),
        path,
        None,
        read_records(tmp_path / "kept"),
    )
    (same,) = (old for old in read_records(tmp_path / "kept") if old["name"] == domain)
    assert json.loads(json.dumps(record)) == same
    return same


def test_each_row_of_a_method_is_compared_with_its_own_arm_and_method(tmp_path):
    (record,) = join([adapted(tmp_path, FOG), adapted(tmp_path, RAIN)])
    text = comparison(record)
    own_arm, own_method = text.split("Gain over ")[1:3]
    assert own_arm.startswith("source only, the same arm, paired")
    rows = [line for line in own_arm.splitlines() if line.startswith("| adversarial")]
    # plain in fog +10, +12 and in rain +10, +13; SNR +1, +2 and +1, +1
    assert rows[0].startswith("| adversarial: plain | +11.0 ± 12.7 (2) | +11.5 ± 19.1 (2) |")
    assert "| +1.5 ± 6.4 (2) | **+1.0 ± 0.0** (2) |" in rows[1]
    assert "| source only" not in own_arm.partition("\n")[2]
    assert own_method.startswith("plain, the same method, paired")
    # SNR over plain in fog: source only +11, +8, adversarial +2, -2
    assert "| source only: SNR, the config's default | +9.5 ± 19.1 (2) |" in own_method
    assert "| adversarial: SNR, the config's default | +0.0 ± 25.4 (2) |" in own_method
    assert ": plain |" not in own_method.partition("From clear")[0]


def test_what_was_adapted_to_is_not_called_unseen(tmp_path):
    (record,) = join([adapted(tmp_path, FOG), adapted(tmp_path, RAIN)])
    text, page = comparison(record), page_of([record], [])
    for found in (text, page):
        assert "Labelled in training: clear; unlabelled: foggy, rain." in found
        assert (
            "What adapts was trained on, without labels: city_foggy_train (32 images, none of them "
            "tested), city_rain_train (32 images, none of them tested)."
        ) in found
        assert "mean of the unlabelled" in found and "unseen" not in found


def test_what_has_no_seed_in_all_parts_is_left_out(record):
    fog, rain = held_out(record, FOG), held_out(record, RAIN)
    rain["arms"]["snr"]["runs"] = [run for run in rain["arms"]["snr"]["runs"] if run["seed"] == 9]
    (joined,) = join([fog, rain])
    assert "snr" not in joined["arms"] and "plain" in joined["arms"]
    assert comparison(joined) and page_of([joined], [])
    for content in rain["arms"].values():
        content["runs"] = []
    (nothing,) = join([fog, rain])
    assert comparison(nothing) and page_of([nothing], [])


def test_only_the_unseen_domain_may_differ_in_one_table(record):
    fog, rain = held_out(record, FOG), held_out(record, RAIN)
    with pytest.raises(InputError, match="differs from .* in image_size: 96x96 instead of 256"):
        join([fog, rain | {"image_size": "96x96"}])
    with pytest.raises(InputError, match=f"city: {FOG} is held out in two"):
        join([fog, fog])


def test_one_arm_on_its_source_alone_has_no_gains_and_no_drop(record):
    alone = {**record, "domains": [CLEAR], "arms": {"plain": record["arms"]["plain"]}}
    text = comparison(alone)
    assert "| plain | 51.0 ± 1.0 (3) |" in text and "unseen: none" in text
    assert "Gain over" not in text and "From clear" not in text
    assert "to the unseen" not in page_of([alone], [])


def test_the_page_needs_nothing_else(record):
    page = page_of([record], yaml.safe_load(PUBLISHED.read_text()))
    assert not re.search(r"<script|<link|<img|src=|https?:|url\(|@import", page)
    assert page.count("<svg") >= 4 + 4 + 4 + 1  # scores, gains over both, the loss
    assert 'name="viewport"' in page and "prefers-color-scheme: dark" in page
    assert "nan" not in re.findall(r'(?:cx|d|width|points)="[^"]*"', page)
    assert "Failed, and in no mean: DSU, seed 1" in page
    assert "nan: not a number. The evaluator has no AP50" in page
    assert "Published by others" in page and "DivAlign" in page


def test_a_name_that_looks_like_markup_stays_text(record):
    record["title"] = "A <b>city</b>"
    record["arms"]["snr"]["title"] = "SNR <i>"
    page = page_of([record], [])
    assert "<b>city" not in page and "<i>" not in page.replace("<i></i>", "")


def test_docs_are_what_the_tool_makes_of_what_is_kept():
    text = DOCS.read_text()
    assert (
        generated(text, join(read_records(RECORDS)), yaml.safe_load(PUBLISHED.read_text())) == text
    )
    assert "<!-- report: published -->" in text


def test_prose_stays_and_blocks_are_written_anew():
    page = "# Mine\n\n<!-- report: a -->\nold\n<!-- end of report: a -->\n\nSo it is.\n"
    new = with_blocks(page, {"a": ("A", "new"), "b": ("B", "more")})
    assert new == (
        "# Mine\n\n<!-- report: a -->\n\nnew\n\n<!-- end of report: a -->\n\nSo it is.\n\n"
        "## B\n\n<!-- report: b -->\n\nmore\n\n<!-- end of report: b -->\n"
    )
    assert with_blocks(new, {"a": ("A", "new"), "b": ("B", "more")}) == new
    with pytest.raises(InputError, match="the block 'a' has no end: write <!-- end of report: a"):
        with_blocks("<!-- report: a -->\n", {"a": ("A", "new")})
    with pytest.raises(InputError, match="no comparison for the block 'a': remove the block"):
        with_blocks(page, {})


def test_faults_are_one_sentence_each(plan, tmp_path):
    (city,) = read_plan(plan)
    runs = runs_of([city], tmp_path / "runs")
    with pytest.raises(InputError, match="city: no run has finished; tools/compare.py runs it"):
        record_of(city, runs, plan, None)
    for run in runs[:2]:
        write_run(run, (1.0, 2.0, 3.0))
    text = plan.read_text().replace(f"source: {CLEAR}", "source: day")
    plan.write_text(text)
    (other,) = read_plan(plan)
    with pytest.raises(InputError, match="source day was not tested; choose from: city_clear_val"):
        record_of(other, runs, plan, None)
    path = runs[1].folder / "inference" / RAIN / f"{RAIN}_stamp.json"
    stamp = json.loads(path.read_text())
    stamp["datasets"][0]["images"] = 79
    path.write_text(json.dumps(stamp))
    with pytest.raises(InputError, match="differs from the others in datasets: .*79.*; run all of"):
        record_of(city, runs, plan, None)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "other.json").write_text("{}")
    with pytest.raises(InputError, match=r"other.json is no comparison that tools/report.py has"):
        read_records(tmp_path / "kept")


@pytest.mark.slow
def test_a_real_comparison_from_training_to_page(tmp_path):
    streets = write_two_colour_streets(tmp_path / "camvid")
    pairs = [option.split("=", 1) for option in small_network(streets)]
    entry = {
        "name": "camvid",
        "config": str(CONFIGS / "fcn_thin_r50_camvid.py"),
        "arms": ["plain", "snr"],
        "seeds": [1],
        "source": "day",
        "options": {key: yaml.safe_load(value) for key, value in pairs if "seed" not in key},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    (tmp_path / "docs.md").write_text("# Results\n")
    for tool, *words in (
        ("compare", "--out", tmp_path / "runs"),
        ("report", "--runs", tmp_path / "runs", "--records", tmp_path / "kept")
        + ("--docs", tmp_path / "docs.md", "--page", tmp_path / "page.html"),
    ):
        done = subprocess.run(
            [sys.executable, f"tools/{tool}.py", tmp_path / "plan.yaml", *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    text = (tmp_path / "kept" / "camvid.json").read_text()
    assert str(tmp_path) not in text and str(Path.home()) not in text
    (run,) = json.loads(text)["arms"]["snr"]["runs"]
    # MMEngine's own record of the validation
    (log,) = (tmp_path / "runs" / "camvid" / "snr_1").glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert run["scores"] == {"day": lines[-1]["day/mIoU"], "dusk": lines[-1]["dusk/mIoU"]}
    assert run["classes"]["dusk"]["sky"] == lines[-1]["dusk/IoU-sky"]
    assert set(run["distances"]) == {"day", "dusk"}
    losses = [line["loss"] for line in lines if "loss" in line]
    assert run["curves"]["loss"]["values"] == pytest.approx(losses, rel=1e-4)
    assert "layer1/contaminated" in run["curves"]
    assert re.fullmatch(r"[0-9a-f]{12}(\+changes)?", run["commit"])
    assert "## camvid" in (tmp_path / "docs.md").read_text()
    assert '<section id="camvid">' in (tmp_path / "page.html").read_text()
