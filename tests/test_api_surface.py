"""Public names, their arguments and defaults cannot change by accident: api_surface.json has them.

    python -m tests.test_api_surface

writes that file anew. Of a room whose framework is not installed it keeps what is there.
"""

import importlib
import inspect
import json
from pathlib import Path

import pytest

SURFACE = Path(__file__).with_name("api_surface.json")
ACCEPT = (
    "If this is meant, run `python -m tests.test_api_surface` and commit tests/api_surface.json; "
    "of what has changed or gone, CHANGELOG.md must say what to write instead."
)
# A room, and the framework without which it cannot be imported
ROOMS = {
    "nn": "torch",
    "data": "numpy",
    "city": "moderngl",
    "results": "numpy",
    "configs": "numpy",
    "doctor": "numpy",
    "detection": "detectron2",
    "openmmlab": "mmengine",
    "segmentation": "mmseg",
    "classification": "mmpretrain",
}


def public_names(module):
    """``__all__``; where there is none, what the module itself defines without an underscore."""
    names = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names)
    own = inspect.getmembers(module, lambda x: getattr(x, "__module__", None) == module.__name__)
    return sorted(name for name, _ in own if not name.startswith("_"))


def signature(thing):
    """Arguments and defaults, without types; of a table its names.

    A class without an ``__init__`` of ours has its framework's, which is not ours to hold.
    """
    if isinstance(thing, dict):
        return sorted(thing)
    if inspect.isclass(thing):
        maker = "__new__" if issubclass(thing, tuple) else "__init__"
        owner = next(base for base in thing.__mro__ if maker in vars(base))
        if not owner.__module__.startswith("snr_plugins."):
            return "the framework's own"
    parameters = inspect.signature(thing).parameters.values()
    bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(bare))


def surface_of(room):
    """All that a person may have written down of a room."""
    module = importlib.import_module(f"snr_plugins.{room}")
    surface = {"names": {name: signature(getattr(module, name)) for name in public_names(module)}}
    if room in MORE:
        surface |= MORE[room]()
    return surface


def of_nn():
    from snr_plugins.nn import LAYERS, layer_options
    from snr_plugins.nn.gate import GATES

    return {"layers": {name: layer_options(name) for name in LAYERS}, "gates": sorted(GATES)}


def of_data():
    from snr_plugins.data.bdd100k import read_bdd100k
    from snr_plugins.data.cityscapes import read_cityscapes
    from snr_plugins.data.coco import read_coco
    from snr_plugins.data.conditions import CONDITIONS
    from snr_plugins.data.folder import read_image_folder
    from snr_plugins.data.kitti import read_kitti
    from snr_plugins.data.layouts import LAYOUTS
    from snr_plugins.data.names import DETECTION_DATASETS
    from snr_plugins.data.sim10k import read_sim10k
    from snr_plugins.data.voc import read_voc

    readers = (
        *(read_cityscapes, read_kitti, read_sim10k, read_voc, read_bdd100k),
        *(read_image_folder, read_coco),
    )
    return {
        "names": {reader.__name__: signature(reader) for reader in readers},
        "conditions": sorted(CONDITIONS),
        "layouts": sorted(LAYOUTS),
        "DATASETS": sorted(DETECTION_DATASETS),
    }


def of_detection():
    from detectron2.config import get_cfg
    from detectron2.modeling import BACKBONE_REGISTRY, META_ARCH_REGISTRY

    from snr_plugins.detection import add_snr_config

    cfg = get_cfg()
    add_snr_config(cfg)
    registries = {"BACKBONE": BACKBONE_REGISTRY, "META_ARCH": META_ARCH_REGISTRY}
    return {
        "MODEL.SNR": dict(cfg.MODEL.SNR),
        "registered": {name: ours(dict(registry)) for name, registry in registries.items()},
    }


def of_openmmlab():
    from mmengine.registry import HOOKS, MODELS

    return {"registered": registered({"mmengine.MODELS": MODELS, "mmengine.HOOKS": HOOKS})}


def of_segmentation():
    from mmseg import registry

    names = ("MODELS", "DATASETS", "TRANSFORMS", "METRICS")
    return {"registered": registered({f"mmseg.{name}": getattr(registry, name) for name in names})}


def of_classification():
    from mmpretrain import registry

    names = ("MODELS", "DATASETS", "METRICS")
    found = {f"mmpretrain.{name}": getattr(registry, name) for name in names}
    return {"registered": registered(found)}


def registered(registries):
    return {name: ours(registry.module_dict) for name, registry in registries.items()}


def ours(entries):
    """Names of those that this package has registered."""
    return sorted(n for n, thing in entries.items() if thing.__module__.startswith("snr_plugins."))


MORE = {
    "nn": of_nn,
    "data": of_data,
    "detection": of_detection,
    "openmmlab": of_openmmlab,
    "segmentation": of_segmentation,
    "classification": of_classification,
}


def as_saved(surface):
    """Lists for tuples, as JSON has them."""
    return json.loads(json.dumps(surface))


def differences(saved, now, where):
    """One line for each name that is new, gone or different."""
    if not (isinstance(saved, dict) and isinstance(now, dict)):
        return [] if saved == now else [f"{where}: {saved} is now {now}"]
    lines = [f"{where}: {name} is gone" for name in saved.keys() - now.keys()]
    lines += [f"{where}: {name} is new" for name in now.keys() - saved.keys()]
    for name in saved.keys() & now.keys():
        lines += differences(saved[name], now[name], f"{where}: {name}")
    return sorted(lines)


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_those_that_are_written_down(room):
    pytest.importorskip(ROOMS[room], reason=f"{room} needs {ROOMS[room]}, which is not installed")
    saved = json.loads(SURFACE.read_text())
    lines = differences(saved.get(room, {}), as_saved(surface_of(room)), room)
    assert not lines, "\n".join([*lines, ACCEPT])


def test_no_room_is_left_out():
    package = Path(__file__).parents[1] / "snr_plugins"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    assert {*rooms, "results", "configs"} == set(ROOMS) == set(json.loads(SURFACE.read_text()))


def test_a_change_of_any_kind_is_a_line():
    saved = {"names": {"f": "(a, b=1)", "g": "()"}, "keys": {"EPS": 1e-5}}
    now = {"names": {"f": "(a, b=2)", "h": "()"}, "keys": {"EPS": 1e-5}}
    assert differences(saved, now, "nn") == [
        "nn: names: f: (a, b=1) is now (a, b=2)",
        "nn: names: g is gone",
        "nn: names: h is new",
    ]
    assert not differences(saved, saved, "nn")


def test_signatures_are_without_types():
    def function(a: int, *, b: "str | None" = None, **options: object) -> None: ...

    assert signature(function) == "(a, *, b=None, **options)"
    assert signature({"y": 1, "x": 2}) == ["x", "y"]


def main():
    saved = json.loads(SURFACE.read_text()) if SURFACE.is_file() else {}
    surface = {}
    for room, framework in ROOMS.items():
        try:
            importlib.import_module(framework)
        except ModuleNotFoundError:
            surface[room] = saved.get(room, {})
            print(f"{room}: {framework} is not installed; left as it was")
        else:
            surface[room] = surface_of(room)
    SURFACE.write_text(json.dumps(surface, indent=1, sort_keys=True) + "\n")
    print("\n".join(differences(saved, as_saved(surface), "")) or "nothing has changed")


if __name__ == "__main__":
    main()
