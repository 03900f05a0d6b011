"""Plans as people write them, and each fault in one sentence."""

from pathlib import Path

import pytest
from children import next_run
from plans import experiment_of, read_plan
from runs import runs_of

from snr_plugins.configs import config_path
from snr_plugins.errors import InputError
from tests.end_to_end.conftest import ROOT

BOXES = "detection/faster_rcnn_thin_R_50_FPN_synthetic_city.yaml"
PIXELS = "segmentation/fcn_thin_r50_camvid.py"
GOOD = f"name: city\nconfig: {BOXES}\narms: [plain, snr]\nseeds: [1, 2]\n"


def plan(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return read_plan(path)


def seeds_of(experiment):
    return {word: row.seeds for word, row in experiment.rows.items()}


def test_a_run_of_detectron2(tmp_path):
    options = "options: {SOLVER.BASE_LR: 1e-3, INPUT.MIN_SIZE_TRAIN: [48, 64]}\ntargets: [a_val]\n"
    (city,) = plan(tmp_path, GOOD + options)
    assert seeds_of(city) == {"plain": [1, 2], "snr": [1, 2]}
    assert city.arguments("snr", 2, Path("runs/snr_2")) == [
        config_path(BOXES).replace(".yaml", "_snr.yaml"),
        *("SOLVER.BASE_LR", "1e-3", "INPUT.MIN_SIZE_TRAIN", "[48, 64]"),
        *("DATASETS.TEST", "('a_val',)", "SEED", "2", "OUTPUT_DIR", "runs/snr_2"),
    ]


def test_a_run_of_mmengine():
    options = ["train_cfg.max_iters=2", "model.backbone.init_cfg=None"]
    camvid = experiment_of(PIXELS, ["plain", "snr_paper"], [3], options, ["dusk"])
    assert camvid.name == "fcn_thin_r50_camvid"
    assert camvid.arguments("snr_paper", 3, Path("there"))[1:] == [
        *("--work-dir", "there", "--cfg-options", "train_cfg.max_iters=2"),
        *(
            "model.backbone.init_cfg=None",
            "model.backbone.snr.trust=False",
            "model.snr_loss_weight=0.01",
            "model.snr_probe_weight=0.01",
            "custom_hooks=[]",
            "randomness.seed=3",
        ),
    ]
    assert camvid.arguments("plain", 3, Path("there"))[0] == config_path(PIXELS)


def test_arms_with_seeds_of_their_own_and_several_experiments(tmp_path):
    two = f"- {{name: a, config: {BOXES}, arms: {{plain: , snr: [1]}}, seeds: [1, 2]}}\n"
    two += f"- {{name: b, config: {PIXELS}, arms: [plain], seeds: [3]}}\n"
    first, second = plan(tmp_path, two)
    assert seeds_of(first) == {"plain": [1, 2], "snr": [1]}
    assert seeds_of(second) == {"plain": [3]} and not second.targets
    assert (second.title, second.source) == ("b", None)


def test_arms_may_be_shared(tmp_path):
    (city,) = plan(tmp_path, GOOD)
    (more,) = plan(tmp_path, GOOD.replace("city\n", "more\n", 1) + "shared: {city: [plain]}\n")
    theirs = {run.word: run for run in runs_of([city], Path("out")) if run.seed == 1}
    runs = {run.word: run for run in runs_of([more], Path("out")) if run.seed == 1}
    assert (runs["plain"].folder, runs["plain"].asked) == (
        theirs["plain"].folder,
        theirs["plain"].asked,
    )
    assert runs["snr"].folder == Path("out/more/snr_1")


METHODS = """
options: {SOLVER.MAX_ITER: 9}
targets: [a_val]
shared: {base: [source_only.plain, source_only.snr]}
methods:
  source_only:
  da:
    config: detection/faster_rcnn_thin_R_50_FPN_synthetic_city_to_foggy_da.yaml
    title: adversarial
    options: {MODEL.WEIGHTS: "{runs}/base/{arm}_{seed}/model_final.pth"}
baselines: ["source_only.{arm}", "{method}.plain"]
"""


def test_each_method_has_each_arm_and_runs_may_be_shared(tmp_path):
    (city,) = plan(tmp_path, GOOD + METHODS)
    assert list(city.rows) == ["source_only.plain", "source_only.snr", "da.plain", "da.snr"]
    assert city.rows["source_only.snr"].title == "source only: SNR, the config's default"
    assert city.rows["da.plain"].title == "adversarial: plain"
    runs = {run.word: run for run in runs_of([city], Path("out")) if run.seed == 2}
    shared, own = runs["source_only.snr"], runs["da.snr"]
    (base,) = plan(tmp_path, GOOD.replace("city\n", "base\n", 1) + "options: {SOLVER.MAX_ITER: 9}")
    (theirs,) = (r for r in runs_of([base], Path("out")) if (r.word, r.seed) == ("snr", 2))
    assert (shared.folder, shared.asked) == (theirs.folder, theirs.asked)  # of all it was tested on
    assert own.folder == Path("out/city/da.snr_2")
    assert own.arguments == [
        config_path(BOXES).replace(".yaml", "_to_foggy_da_snr.yaml"),
        *("SOLVER.MAX_ITER", "9", "MODEL.WEIGHTS", "out/base/snr_2/model_final.pth"),
        *("DATASETS.TEST", "('a_val',)", "SEED", "2", "OUTPUT_DIR", "out/city/da.snr_2"),
    ]
    assert own.starts_from == [shared.folder / "model_final.pth"] and not shared.starts_from


def test_runs_are_filled_into_lists_too(tmp_path):
    listed = METHODS.replace('"{runs}/base/{arm}_{seed}/model_final.pth"', '["{runs}/base/{arm}"]')
    (city,) = plan(tmp_path, GOOD + listed)
    run = next(r for r in runs_of([city], Path("out")) if (r.word, r.seed) == ("da.snr", 2))
    assert "['out/base/snr']" in run.arguments
    assert run.starts_from == [Path("out/base/snr")]


def test_what_a_run_starts_from_comes_first(tmp_path):
    (city,) = plan(tmp_path, GOOD + METHODS)
    waiting = list(reversed(runs_of([city], tmp_path / "out")))
    began = []
    while run := next_run(waiting, began[-1:]):
        waiting.remove(run)
        began.append(run)
    assert not waiting
    for run in began:
        for path in run.starts_from:
            assert path.parent in [other.folder for other in began[: began.index(run)]]
    alone = [run for run in began if run.word == "da.snr"]
    assert next_run(alone, []) is alone[0]  # it says itself what is missing
    shared = [run for run in began if run.word == "source_only.snr" and run.seed == alone[0].seed]
    assert next_run(alone[:1], shared) is None


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/plans/*.yaml")), ids=lambda p: p.stem)
def test_the_plans_that_are_shipped(path):
    experiments = read_plan(path)
    runs = runs_of(experiments, Path("out"))
    assert all(run.arguments for run in runs)
    for experiment in experiments:
        assert experiment.source is not None and experiment.title != experiment.name


def test_a_config_is_sought_beside_the_plan(tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text("")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (mine,) = plan(tmp_path, "{name: m, config: mine.yaml, arms: [plain], seeds: [1]}")
    assert mine.config == tmp_path / "mine.yaml"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: [", "plan.yaml is not valid YAML near line 2"),
        ("just words", "plan.yaml must hold a mapping of name, config, arms"),
        ("[]", "must hold a mapping"),
        (GOOD + "jobs: 2\n", "city: unknown key 'jobs'; the keys are name, config"),
        ("MODEL: {}\n", "unknown key 'MODEL'"),
        ("name: a\narms: [plain]\n", "a: has no 'config'; a Detectron2 config itself is compared"),
        (GOOD.replace("city\n", "a/b\n", 1), "a/b: name must be letters"),
        (GOOD.replace(BOXES, "nowhere.yaml"), "city: config file not found: nowhere.yaml"),
        (GOOD.replace(BOXES, "weights.pth"), "config must name a .yaml of Detectron2 or a .py"),
        (GOOD.replace(".yaml", "_snr.yaml"), "name the plain form, without _snr"),
        (GOOD.replace("snr]", "srn]"), "city: there is no arm 'srn'; choose from: plain, "),
        (GOOD.replace("[plain, snr]", "plain"), "arms must be a list of words, or a mapping"),
        (GOOD.replace("seeds: [1, 2]\n", ""), "seeds of plain must be a list of different whole"),
        (GOOD.replace("[1, 2]", "[1, 1]"), "seeds of plain must be a list of different whole"),
        (GOOD.replace("[1, 2]", "[1, true]"), "seeds of plain must be a list of different whole"),
        (GOOD.replace("[1, 2]", "[-1]"), "seeds of plain must be a list of different whole"),
        (GOOD + "options: [A, 1]\n", "options must be a mapping of a config's keys to values"),
        (GOOD + "options: {MODEL: {SNR: 1}}\n", "options: MODEL must be a key in dots with a word"),
        (GOOD + "source: [a_val]\n", "city: source must be in words"),
        (GOOD + "targets: rain\n", "city: targets must be a list of names"),
        (GOOD + "methods: [da]\n", "city: methods must be a mapping of names"),
        (GOOD + "methods: {a.b: {}}\n", "methods: a.b must be letters, digits and underscores"),
        (GOOD + "methods: {da: {arm: snr}}\n", "method da: must be a mapping of config, options"),
        (GOOD + "methods: {da: {config: no.yaml}}\n", "method da: config file not found: no.yaml"),
        (GOOD + "shared: [base]\n", "shared must be a mapping of experiments to lists of rows"),
        (GOOD + "shared: {base: plain}\n", "city: shared: base must be a list of names"),
        (GOOD + "shared: {base: [dsu]}\n", "shared: there is no dsu among plain, snr"),
        (GOOD + "methods: {da: }\nshared: {b: [snr]}\n", "there is no snr among da.plain, da.snr"),
        (GOOD + "baselines: [instance_norm]\n", "there is no instance_norm among plain, snr"),
        (GOOD + "methods: {da: }\nbaselines: ['b.{arm}']\n", "no b.plain among da.plain, da.snr"),
        (GOOD + "baselines: ['{method}.plain']\n", "there is no plain.plain among plain, snr"),
        (
            f"- {{name: a, config: {BOXES}, arms: [plain], seeds: [1]}}\n" * 2,
            "plan.yaml: two experiments have the name a; give one another name",
        ),
    ],
)
def test_each_fault_is_one_sentence(tmp_path, text, sentence):
    with pytest.raises(InputError) as error:
        plan(tmp_path, text)
    assert sentence in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "plan.yaml"))


def test_faults_of_files(tmp_path):
    with pytest.raises(InputError, match=r"plan not found: .*none.yaml"):
        read_plan(tmp_path / "none.yaml")
    (tmp_path / "alone.py").write_text("")
    with pytest.raises(InputError, match=r"arm snr needs .*alone_snr.py, the SNR form of alone.py"):
        experiment_of(str(tmp_path / "alone.py"), ["snr"], [1])
    with pytest.raises(InputError, match="--options: SEED 1 is not KEY=VALUE"):
        experiment_of(BOXES, ["plain"], [1], ["SEED 1"])
