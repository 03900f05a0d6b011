"""Real comparisons of two iterations, in both frameworks."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from children import run_all
from compare import only
from config_files import digest, read_mmengine
from interrupts import signals_noted
from plans import experiment_of, read_plan
from runs import runs_of

from snr_plugins.errors import InputError
from snr_plugins.results import write_stamp
from tests.end_to_end.conftest import ROOT
from tests.segmentation.streets import CONFIGS, small_network, write_two_colour_streets

TEXT = {"capture_output": True, "text": True}
TOOL = "tools/compare.py"
BOXES = "configs/detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml"
TWO_ITERATIONS = {
    "SOLVER.MAX_ITER": 2,
    "SOLVER.IMS_PER_BATCH": 2,
    "MODEL.WEIGHTS": "",
    "INPUT.MIN_SIZE_TRAIN": [48],
    "INPUT.MIN_SIZE_TEST": 48,
    "DATALOADER.NUM_WORKERS": 0,
}


def write_plan(folder, **more):
    plan = {
        "name": "city",
        "config": BOXES,
        "arms": ["plain", "snr"],
        "seeds": [1, 2],
        "options": TWO_ITERATIONS,
        "targets": ["synthetic_city_clear_val"],
        **more,
    }
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(plan))
    return path


def at_work(folder):
    """Commands of processes that name this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # it has just ended
            continue
        if any(str(folder) in word for word in command) and "snr_1" in " ".join(command):
            found.append(command)
    return found


@pytest.mark.slow
def test_a_failed_run_stands_in_the_table_and_the_others_go_on(command, tmp_path):
    # plain has no gate, so that this option makes SNR fail alone
    plan = write_plan(tmp_path, options={**TWO_ITERATIONS, "MODEL.SNR.REDUCTION": 0})
    done = command(TOOL, plan, "--jobs", 2, "--out", tmp_path / "out")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    changes = [1 if line.endswith("started") else -1 for line in lines if line.startswith("city:")]
    active = [sum(changes[: i + 1]) for i in range(len(changes))]
    assert len(changes) == 8 and max(active) == 2 and active[-1] == 0  # --jobs
    assert "| AP50 | synthetic_city_clear_val |" in lines
    (plain,) = [line for line in lines if line.startswith("| plain |")]
    stamps = (tmp_path / "out" / "city" / "plain_2").rglob("*_stamp.json")
    (score,) = [json.loads(stamp.read_text())["scores"]["bbox"]["AP50"] for stamp in stamps]
    assert plain.endswith(f", {score:.1f}) |")
    assert "| snr | failed |" in lines
    failed = [line for line in lines if line.startswith("failed: snr, seed")]
    assert len(failed) == 2 and "reduction" in failed[0] and "snr_1/output.txt" in failed[0]

    first_stamps = stamps_of(tmp_path)
    again = command(TOOL, plan, "--out", tmp_path / "out")  # what has failed alone
    assert "city: plain" not in again.stdout and "city: snr, seed 2 failed" in again.stdout
    assert first_stamps == stamps_of(tmp_path)
    plan = write_plan(tmp_path, options={**TWO_ITERATIONS, "SOLVER.MAX_ITER": 3})
    other = command(TOOL, plan, "--out", tmp_path / "out")
    assert other.returncode == 1 and other.stdout == ""
    assert "plain_1 was run with other arguments; give another name or --out" in other.stderr


def stamps_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*_stamp.json")}


@pytest.mark.slow
def test_killed_it_takes_its_runs_along_and_then_starts_them_anew(datasets, command, tmp_path):
    plan = write_plan(tmp_path, arms=["snr"], seeds=[1])
    words = [sys.executable, TOOL, plan, "--out", tmp_path / "out"]
    environment = {**os.environ, "DETECTRON2_DATASETS": str(datasets)}
    folder = tmp_path / "out" / "city" / "snr_1"
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as tool:
        while not (folder / "metrics.json").exists() and not (folder / "log.txt").exists():
            assert tool.poll() is None
            time.sleep(0.1)
        assert at_work(folder)
        other = command(TOOL, plan, "--out", tmp_path / "out")
        assert "another process is at work in" in other.stderr and other.returncode == 1
        tool.send_signal(signal.SIGTERM)
    assert tool.returncode == 128 + signal.SIGTERM
    assert not at_work(folder)
    assert json.loads((folder / "run.json").read_text())["status"] == "started"
    (folder / "left_behind").write_text("by the killed run")
    done = command(TOOL, plan, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "city: snr, seed 1 finished" in done.stdout
    assert not (folder / "left_behind").exists()


def test_signals_wait_and_what_is_ignored_stays_so():
    before = signal.getsignal(signal.SIGTERM)
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    # a shell's background job, as these tests may be, ignores Ctrl-C
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with signals_noted() as noted:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
            assert noted == [signal.SIGTERM, signal.SIGINT]
        assert signal.getsignal(signal.SIGTERM) is before
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, hung_up)
        signal.signal(signal.SIGINT, interrupt)


def test_what_is_shared_must_be_one_run(tmp_path):
    plan = write_plan(tmp_path)
    (first,) = yaml.safe_load_all(plan.read_text())
    other = {**first, "name": "forms", "shared": {"city": ["plain"]}}
    plan.write_text(yaml.safe_dump([first, {**other, "options": {"SOLVER.MAX_ITER": 3}}]))
    with pytest.raises(
        InputError, match="forms: plain, seed 1 and city: plain, seed 1 share a run"
    ):
        runs_of(read_plan(plan), tmp_path / "out")


@pytest.mark.parametrize("content", ["{", "{}", "[]", "null"])
def test_a_damaged_record_of_a_run_is_named(tmp_path, content):
    plan = write_plan(tmp_path)
    folder = tmp_path / "out" / "city" / "snr_1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(content)
    with pytest.raises(InputError, match="run.json is no record of a run: remove its folder"):
        runs_of(read_plan(plan), tmp_path / "out")


def test_a_finished_run_without_stamps_and_a_misspelt_target(tmp_path):
    plan = write_plan(tmp_path, seeds=[1], arms=["plain"])
    (run,) = runs_of(read_plan(plan), tmp_path / "out")
    run.folder.mkdir(parents=True)
    run.note("finished", seconds=9)
    with pytest.raises(InputError, match="plain_1 has lost its stamps: remove it"):
        run.scores()
    stamp = {"datasets": [], "checkpoint": {"sha256": "a", "file": None, "iteration": 2}}
    stamp |= {"test_time_augmentation": "none", "metric": "AP50", "domains": {"other": 5.0}}
    stamp |= {"image_size": None, "seed": 1, "versions": {}}
    write_stamp(run.folder / "other_stamp.json", stamp)
    with pytest.raises(InputError, match="not tested on the target .*; choose from: other"):
        run.scores()
    assert run.all_scores().domains == {"other": 5.0}  # it has finished all the same


@pytest.mark.parametrize("framework", ["detectron2", "mmengine"])
def test_a_config_that_has_changed_between_two_starts(tmp_path, framework):
    """A finished run of what a base said before, and new ones, would stand in one table."""
    pytest.importorskip(framework)
    suffix, key, old, new, comment = {
        "detectron2": (".yaml", "_BASE_: base.yaml\n", "SEED: 1\n", "SEED: 2\n", "# or 3\n"),
        "mmengine": (".py", "_base_ = 'base.py'\n", "lr = 1\n", "lr = 2\n", "# or 3\n"),
    }[framework]
    config, base = tmp_path / f"own{suffix}", tmp_path / f"base{suffix}"
    config.write_text(key)
    base.write_text(old)

    def runs():
        digest.cache_clear()  # as a second start, which is another process
        read_mmengine.cache_clear()
        return runs_of([experiment_of(str(config), ["plain"], [1, 2])], tmp_path / "out")

    def start():
        run_all(runs(), 1, 1, [], lambda _: None)

    for run in runs():
        run.folder.mkdir(parents=True)
        run.note("finished", config=run.config_digest)
    start()
    base.write_text(old + comment)
    start()
    base.write_text(new)
    with pytest.raises(InputError, match=rf"own{suffix} or a base of it has changed since .*_1 "):
        start()
    base.unlink()
    with pytest.raises(InputError, match=rf"own{suffix} cannot be read \(FileNotFoundError"):
        start()


def test_what_a_killed_writer_has_left_is_no_work_of_somebody_else(tmp_path):
    plan = write_plan(tmp_path)
    folder = tmp_path / "out" / "city" / "snr_1"
    folder.mkdir(parents=True)
    (folder / ".run.json.12.partial").write_text("{")
    assert len(runs_of(read_plan(plan), tmp_path / "out")) == 4


def test_faults_of_the_command_line(command, tmp_path):
    plan = write_plan(tmp_path)
    for words, sentence in (
        ([BOXES.replace("detection", "segmentation")], "plan not found: configs/segmentation"),
        ([CONFIGS / "fcn_thin_r50_camvid.py"], "is a config: say which --arms of it to train"),
        ([BOXES], "unknown key '_BASE_'"),
        ([plan, "--options", "SEED=1"], "--options and --targets go with --arms"),
        ([BOXES, "--arms", "norm"], "there is no arm 'norm'; choose from: plain, instance_norm"),
        ([plan, "--seeds", 2, 3], "city has no seed 3: choose from its plan's"),
        ([plan, "--jobs", 0], "--jobs and --threads must be at least 1"),
    ):
        done = command(TOOL, *words, "--out", tmp_path / "out")
        assert done.returncode in (1, 2) and "Traceback" not in done.stderr
        assert sentence in done.stderr
    (tmp_path / "out" / "city" / "snr_2").mkdir(parents=True)
    (tmp_path / "out" / "city" / "snr_2" / "mine.txt").write_text("")
    done = command(TOOL, plan, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "snr_2 holds files of something else; give another --out" in done.stderr


def test_seeds_of_a_plan_are_picked_for_one_of_several_machines(tmp_path):
    config = BOXES.removeprefix("configs/")  # the package's own
    (city,) = read_plan(write_plan(tmp_path, config=config, arms={"plain": [1], "snr": [1, 2]}))
    runs = runs_of([only(city, [2])], tmp_path / "out")
    assert [(run.word, run.seed) for run in runs] == [("snr", 2)]
    (whole,) = [run for run in runs_of([city], tmp_path / "out") if run.seed == 2]
    assert runs[0].asked == whole.asked
    assert runs[0].asked[0] == BOXES.replace(".yaml", "_snr.yaml")  # wherever the repository lies


@pytest.mark.slow
def test_a_config_of_mmengine_that_is_tested_after_training(tmp_path):
    streets = write_two_colour_streets(tmp_path / "camvid")
    command = [sys.executable, TOOL, CONFIGS / "fcn_thin_r50_camvid.py"]
    command += ["--arms", "plain", "instance_norm", "--seeds", "1", "--out", tmp_path / "out"]
    # as the configs of GTA5 and SYNTHIA: tested after training
    without = ["val_dataloader=None", "val_evaluator=None", "val_cfg=None"]
    command += ["--options", *small_network(streets), *without]
    first = subprocess.run(command, cwd=ROOT, **TEXT, check=True)
    # from MMEngine's own record of its test
    (log,) = (tmp_path / "out" / "fcn_thin_r50_camvid" / "instance_norm_1").glob("*/[0-9]*.json")
    logged = json.loads(log.read_text())
    day, dusk = logged["day/mIoU"], logged["dusk/mIoU"]
    assert dusk > 0
    assert f"| instance_norm | {day:.1f} ({day:.1f}) " in first.stdout
    assert f" | {dusk:.1f} ({dusk:.1f}) " in first.stdout.splitlines()[-1]
    second = subprocess.run([*command, "--targets", "dusk"], cwd=ROOT, **TEXT, check=True)
    assert "started" not in second.stdout
    assert "| mIoU | dusk |" in second.stdout.splitlines()
    other = subprocess.run([*command, "train_cfg.max_iters=3"], cwd=ROOT, **TEXT)
    assert other.returncode == 1
    assert "was run with other arguments; give another name" in other.stderr


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["mIoU", "mDice"])
def test_the_frameworks_own_metric(tmp_path, metric):
    streets = write_two_colour_streets(tmp_path / "camvid")
    base = CONFIGS / "fcn_thin_r50_camvid.py"
    (tmp_path / "own.py").write_text(
        f"_base_ = {str(base)!r}\n"
        f"test_evaluator = [dict(type='IoUMetric', iou_metrics=[{metric!r}])]\n"
        "val_evaluator = test_evaluator\n"
    )
    command = [sys.executable, TOOL, tmp_path / "own.py", "--arms", "plain"]
    command += ["--seeds", "1", "--out", tmp_path / "out", "--options", *small_network(streets)]
    done = subprocess.run(command, cwd=ROOT, **TEXT)
    if metric == "mDice":
        assert done.returncode == 1
        assert "own.py has no mIoU among its scores: add it" in done.stdout
        return
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / "out" / "own" / "plain_1").glob("*/vis_data/scalars.json")
    score = [json.loads(line) for line in log.read_text().splitlines()][-1]["mIoU"]
    assert done.stdout.splitlines()[-1] == f"| plain | {score:.1f} ({score:.1f}) |"
    assert "| mIoU | day, dusk |" in done.stdout


@pytest.mark.slow
def test_a_method_starts_from_what_another_has_left(tmp_path):
    streets = write_two_colour_streets(tmp_path / "camvid")
    pairs = [option.split("=", 1) for option in small_network(streets)]
    left = "{runs}/street/source_only.{arm}_{seed}/iter_2.pth"
    plan = {
        "name": "street",
        "config": str(CONFIGS / "fcn_thin_r50_camvid.py"),
        "arms": ["plain"],
        "seeds": [1],
        "options": {key: yaml.safe_load(value) for key, value in pairs if "seed" not in key},
        "methods": {"further": {"options": {"load_from": left}}, "source_only": {}},
        "baselines": ["source_only.{arm}"],
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    words = [sys.executable, TOOL, tmp_path / "plan.yaml", "--jobs", "2", "--out", tmp_path / "out"]
    done = subprocess.run(words, cwd=ROOT, **TEXT)
    assert done.returncode == 0, done.stdout + done.stderr
    began = [line for line in done.stdout.splitlines() if line.endswith("started")]
    assert [line.split()[1] for line in began] == ["source_only.plain,", "further.plain,"]
    log = (tmp_path / "out" / "street" / "further.plain_1" / "output.txt").read_text()
    assert f"{tmp_path}/out/street/source_only.plain_1/iter_2.pth" in log
    last = done.stdout.splitlines()[-2]  # the gain over the baseline stands behind its score
    assert re.match(r"\| further.plain \| [\d.]+ \([\d.]+\) [+-]", last), last
